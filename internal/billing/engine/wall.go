package engine

import (
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// wallAfter is how many throttled replies in a row, from different places of the book,
// say that the API takes no more for as long as they ask.
const wallAfter = 3

// accountsMost bounds the accounts that are held back by name.
const accountsMost = 1000

// wall is what tells an API that takes no more requests for a long time, a quota that is
// used up, from one that has enough of one invoice or one account.
type wall struct {
	longest  time.Duration        // LINGER: who asks for more is held back alone
	asked    time.Time            // since when the replies are throttled ones only; zero: they are not
	row      int                  // throttled replies that asked for longer
	last     time.Time            // of those
	probing  bool                 // the next request is to come from elsewhere in the book
	strict   bool                 // an earlier run was told to wait: one throttled reply is enough
	accounts map[string]time.Time // until when each is held back
	over     time.Time            // when it makes sense to run again; zero: the run goes on
}

func newWall(c Config) wall {
	return wall{longest: c.Linger, strict: c.NotBefore > 0, probing: c.NotBefore > 0, accounts: map[string]time.Time{}}
}

// throttled takes in a throttled reply to a request that began as told. It says whether
// the run is to end.
func (w *wall) throttled(now, began time.Time, asked time.Duration, account string) (ends bool) {
	if asked > w.longest {
		known := now.Before(w.accounts[account])
		if account != "" && len(w.accounts) < accountsMost {
			w.accounts[account] = now.Add(asked)
		}
		// What was begun before the last one answered says nothing more than that one.
		if !known && began.After(w.last) {
			w.last, w.probing = now, true
			w.row++
		}
	}
	again := !w.asked.IsZero() && began.After(w.asked)
	if w.asked.IsZero() {
		w.asked = now
	}
	if w.strict || w.row >= wallAfter || again && now.Sub(w.asked) >= w.longest {
		if asked <= 0 {
			asked = w.longest
		}
		w.over = later(w.over, now.Add(asked))
		return true
	}
	return false
}

// answered takes in any other reply.
func (w *wall) answered() {
	w.row, w.asked, w.probing, w.strict = 0, time.Time{}, false, false
}

// account is what the headers that are made from the row say whose request it is; empty:
// there are none.
func account(r billing.Request) string {
	var all strings.Builder
	for _, h := range r.Headers {
		if !h.OfKey {
			all.WriteString(h.Name + ": " + h.Value + "\n")
		}
	}
	return all.String()
}
