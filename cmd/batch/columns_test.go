package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/words"
)

// What people read fits 80 columns, and is one line where there is room.
func TestPagesFitTheirReadersWidth(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, billingfake.Config{Fault: func(billingfake.Received) billingfake.Fault { return billingfake.ApplyThen500{} }})
	b.start("BILLING_LOOKUP_AFTER=0s").wantExit(3)
	page := func(columns string, args ...string) string {
		var out bytes.Buffer
		run(t.Context(), args, []string{"DATABASE_URL=" + b.url, "BILLING_URL=" + b.env["BILLING_URL"], "COLUMNS=" + columns}, &out, &out)
		return out.String()
	}
	for _, args := range [][]string{{"status"}, {"status", "--open"}, {"status", "--in-doubt"}, {"history", "2"}, {"doctor"}} {
		wide, wider := page("", args...), 0
		for line := range strings.Lines(wide) {
			if words.Width(strings.TrimSuffix(line, "\n")) > 80 {
				wider++
			}
		}
		if wider == 0 {
			t.Errorf("%v: nothing to fold in\n%s", args, wide)
		}
		for line := range strings.Lines(page("80", args...)) {
			if words.Width(strings.TrimSuffix(line, "\n")) > 80 {
				t.Errorf("%v: too wide: %s", args, line)
			}
		}
	}
}
