package engine

import (
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// wallAfter is how many throttled replies in a row, from different places of the book,
// say that the API takes no more for as long as they ask.
const wallAfter = 3

const (
	// accountsMost bounds the accounts that are held back by name.
	accountsMost = 1000
	// ownMost bounds how many such replies in a row are held to be about their own invoices.
	ownMost = 16
)

// wall is what tells an API that takes no more requests for a long time, a quota that is
// used up, from one that has enough of one invoice or one account.
type wall struct {
	longest  time.Duration        // LINGER: who asks for more is held back alone
	asked    time.Time            // since when the replies are throttled ones only; zero: they are not
	row      int                  // throttled replies that asked for longer, the second and later ones from elsewhere
	any      int                  // the same, wherever they are from
	own      int                  // how often such a one was about its own invoice alone: so many in a row are no news
	last     time.Time            // of those
	open     bool                 // the last one may be about more than its own invoice
	probing  bool                 // the next request is to come from elsewhere in the book
	strict   bool                 // an earlier run was told to wait: one throttled reply is enough
	accounts map[string]time.Time // until when each is held back
	over     time.Time            // when it makes sense to run again; zero: the run goes on
}

func newWall(c Config) wall {
	return wall{longest: c.Linger, strict: c.NotBefore > 0, probing: c.NotBefore > 0, accounts: map[string]time.Time{}}
}

// throttled takes in a throttled reply to a request that began as told. It says whether it
// is about its own invoice alone, and whether the run is to end.
func (w *wall) throttled(now time.Time, of asking, asked time.Duration) (own, ends bool) {
	if asked > w.longest {
		if own = w.heldBack(now, of, asked); own && !w.strict {
			return true, false
		}
	}
	again := !w.asked.IsZero() && of.began.After(w.asked)
	if w.asked.IsZero() {
		w.asked = now
	}
	if w.strict || w.row >= wallAfter || again && now.Sub(w.asked) >= w.longest {
		if asked <= 0 {
			asked = w.longest
		}
		w.over = later(w.over, now.Add(asked))
		return own, true
	}
	return own, false
}

// heldBack takes in that an invoice is to wait for long, and says whether that is known to
// be about it alone.
func (w *wall) heldBack(now time.Time, of asking, asked time.Duration) (own bool) {
	known := of.throttled || now.Before(w.accounts[of.account])
	if of.account != "" && len(w.accounts) < accountsMost {
		w.accounts[of.account] = now.Add(asked)
	}
	switch {
	case known:
		return true
	case !of.began.After(w.last): // it says nothing more than the last one
		return w.row == 0
	}
	w.last, w.open = now, true
	w.any++
	switch {
	case w.any <= w.own:
		return true
	case w.row == 0 || of.elsewhere:
		w.row++
	}
	w.probing = true
	return false
}

// answered takes in any other reply to a request that began as told.
func (w *wall) answered(began time.Time) {
	if w.open && began.After(w.last) {
		w.open, w.own = false, min(w.own+1, ownMost)
	}
	w.row, w.any, w.asked, w.probing, w.strict = 0, 0, time.Time{}, false, false
}

// asking is what a request that the API has answered was about.
type asking struct {
	began     time.Time
	account   string
	elsewhere bool // it asked for those that were throttled before it, from elsewhere in the book
	throttled bool // its invoice was throttled when it was tried last, too
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
