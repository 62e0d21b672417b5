package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// searchTime bounds one search: others wait for their turn.
const searchTime = 3 * time.Minute

type searchPage struct {
	Text  string
	Key   bool // it may be an idempotency key
	By    desk.SearchFor
	Fault string
	Hits  int
}

// search leads to the invoice of a key. What is none of our keys may be the API's id or
// an idempotency key: that reads the whole ledger, and is asked for.
func (s *site) search(w http.ResponseWriter, r *http.Request) {
	p := searchPage{Text: r.FormValue("q"), By: desk.SearchFor(r.FormValue("by"))}
	_, err := uuid.Parse(p.Text)
	p.Key = err == nil
	switch p.By {
	case desk.SearchReplyID, desk.SearchKey:
		s.searchLedger(w, r, p)
		return
	case "":
	default:
		s.say(w, r, http.StatusNotFound, "No such search", "An invoice is searched by its own id, by the API's id, or by its idempotency key.")
		return
	}
	if p.Text != "" {
		h, err := s.Desk.History(r.Context(), billing.InvoiceID(p.Text))
		if err == nil && h.Known() {
			w.Header().Set("Location", "invoice?id="+url.QueryEscape(p.Text))
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		if err != nil && !errors.Is(err, desk.ErrID) {
			s.fail(w, err)
			return
		}
	}
	s.show(w, r, "search", "Search", "search", p)
}

// searchLedger shows what is found as it is found, for one reader at a time. It ends as
// the reader leaves.
func (s *site) searchLedger(w http.ResponseWriter, r *http.Request, p searchPage) {
	select {
	case s.searching <- struct{}{}:
		defer func() { <-s.searching }()
	default:
		w.Header().Set("Retry-After", "10")
		s.say(w, r, http.StatusServiceUnavailable, "Somebody else is searching", "A search reads the whole ledger, and there is one at a time. Try again in a minute.")
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), searchTime, errors.New("the search took too long"))
	defer cancel()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(searchTime + writeTimeout)) // else the server's own holds
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	part := func(view string, of any) error {
		var b bytes.Buffer
		if err := s.views.ExecuteTemplate(&b, view, of); err != nil {
			return err
		}
		if _, err := b.WriteTo(w); err != nil {
			return err
		}
		return control.Flush()
	}
	page := frame{"Search", s.Book, "search", whoAsks(r.Context()), p}
	if part("searching", page) != nil {
		return
	}
	seen := map[desk.Hit]bool{}
	err := s.Searcher.Search(ctx, p.By, p.Text, func(h desk.Hit) error {
		if seen[h] {
			return nil
		}
		seen[h] = true
		return part("hit", h)
	})
	p.Hits = len(seen)
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		return
	case errors.Is(err, desk.ErrID):
		p.Fault = "That is no idempotency key: it is a UUID."
	case ctx.Err() != nil:
		p.Fault = "It took longer than three minutes, and was stopped: an index on the ledger would find it at once."
	default:
		s.Log.Error().Err(err).Msg("a search broke off")
		p.Fault = "It broke off: the ledger can't be read now. The log of `batch serve` says why."
	}
	page.Body = p
	_ = part("searched", page) // the reader has left
}
