package engine

import (
	"strings"
	"testing"
	"time"
)

// P8: the run ends where what is asked elsewhere in the book is throttled, too. A letter is
// a reply to a request that began after the one before: H or h, throttled for an hour; N or
// n, with no wait asked for; capital: from elsewhere in the book. k: for an hour, as last time; a: accepted.
func TestP8TheWallIsMetElsewhere(t *testing.T) {
	t.Parallel()
	for replies, want := range map[string]string{
		"h":                   "probes",
		"hH":                  "probes",
		"hHH":                 "ends",
		"hhhhh":               "probes",
		"ha":                  "",
		"hah":                 "",       // one was about its own invoice
		"hahh":                "probes", // two in a row are news
		"hahhHH":              "ends",
		"kkkkkk":              "",
		"akkk":                "",
		"hkHkH":               "ends",
		"nn":                  "",
		"nnn":                 "probes",
		"nnna":                "",
		"nnnnnnnnnnnnnnnnnn":  "probes",
		"nnnnnnnnnnnnnnnnNN":  "ends",
		"nnnnnnnnnnnnnnnnNaN": "",
	} {
		t.Run(replies, func(t *testing.T) {
			t.Parallel()
			w := newWall(Config{Linger: 10 * time.Second})
			now := time.Now()
			ends := false
			for _, r := range strings.Split(replies, "") {
				if ends {
					t.Fatal("it ends before")
				}
				of := asking{began: now.Add(time.Millisecond), elsewhere: r == "H" || r == "N", throttled: r == "k"}
				now = now.Add(time.Second)
				switch strings.ToLower(r) {
				case "a":
					w.answered(of.began)
				case "n":
					_, ends = w.throttled(now, of, 0)
				default:
					_, ends = w.throttled(now, of, time.Hour)
				}
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
