//go:build failpoints

package failpoint

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	all, err := parse(" before_send=kill@3; after_reply=stop:2s ;before_scan=delay;after_lock=error;before_lock=stop;")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*order{
		"before_send": {action: "kill", at: 3},
		"after_reply": {action: "stop", argument: 2 * time.Second, at: 1},
		"before_scan": {action: "delay", argument: defaultDelay, at: 1},
		"after_lock":  {action: "error", at: 1},
		"before_lock": {action: "stop", at: 1},
	} {
		got := all[name]
		if got == nil || got.action != want.action || got.argument != want.argument || got.at != want.at {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if len(all) != 5 {
		t.Errorf("%d orders, want 5", len(all))
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"before_sending=kill":               "no such point",
		"before_send":                       "the actions are",
		"before_send=panic":                 "the actions are",
		"before_send=kill@0":                "number of a hit",
		"before_send=kill@x":                "number of a hit",
		"before_send=kill:1s":               "no argument",
		"before_send=stop:1":                "a duration",
		"before_send=delay:-1s":             "a duration",
		"before_send=error":                 "no error can be returned",
		"before_send=kill;before_send=stop": "twice",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", text, err, want)
		}
	}
}

func TestOrderIsDueOnce(t *testing.T) {
	t.Parallel()
	o := &order{action: "delay", at: 3}
	for n, want := range []bool{false, false, true, false, false} {
		if got := o.due(); got != want {
			t.Errorf("hit %d: due %t", n+1, got)
		}
	}
}
