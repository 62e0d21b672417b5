package engine

import (
	"strings"
	"testing"
	"time"
)

// P8: the run ends where what is asked elsewhere in the book is throttled, too. A letter is
// a reply to a request that began after the one before: h: throttled for an hour; H: likewise,
// from elsewhere in the book; k: as it was when it was tried last; a: accepted.
func TestP8TheWallIsMetElsewhere(t *testing.T) {
	t.Parallel()
	for replies, want := range map[string]string{
		"h":      "probes",
		"hH":     "probes",
		"hHH":    "ends",
		"hhhhh":  "probes",
		"ha":     "",
		"hah":    "",       // one was about its own invoice
		"hahh":   "probes", // two in a row are news
		"hahhHH": "ends",
		"kkkkkk": "",
		"akkk":   "",
		"hkHkH":  "ends",
	} {
		t.Run(replies, func(t *testing.T) {
			t.Parallel()
			w := newWall(Config{Linger: time.Minute})
			now := time.Now()
			ends := false
			for _, r := range strings.Split(replies, "") {
				if ends {
					t.Fatal("it ends before")
				}
				of := asking{began: now.Add(time.Millisecond), elsewhere: r == "H", throttled: r == "k"}
				now = now.Add(time.Second)
				if r == "a" {
					w.answered(of.began)
					continue
				}
				_, ends = w.throttled(now, of, time.Hour)
			}
			got := ""
			switch {
			case ends:
				got = "ends"
			case w.probing:
				got = "probes"
			}
			if got != want {
				t.Errorf("it %s, want %q", got, want)
			}
		})
	}
}
