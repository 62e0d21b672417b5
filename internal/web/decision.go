package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// nothing is the title of a page that says why nothing was done.
const nothing = "Nothing was decided"

const (
	// decidedAtOnce bounds how many decisions one form makes; `batch resolve --from` has
	// no bound.
	decidedAtOnce = 2000

	// decidingTime bounds how long a page waits for so many.
	decidingTime = 10 * time.Minute
)

// deciders lets only those through who may decide.
func (s *site) deciders(then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !whoAsks(r.Context()).Decides {
			s.say(w, r, http.StatusForbidden, nothing, "Only who is named in SERVE_DECIDERS decides here.")
			return
		}
		then(w, r)
	}
}

// outcome is what decisions came to, or would, for a page.
type outcome struct {
	Done, Left []desk.Decided
	Sums       string   // of Done
	Picks      []string // of Done, for the next form
	Sent       int      // how many of Done the next run sends
	SentSums   string   // of those
	Paused     bool     // no run sends anything before somebody resumes the book
	Fault      string   // why it ended before the last one
}

func newOutcome(all []desk.Decided, pause *billing.Pause) (o outcome) {
	o.Paused = pause != nil
	var done, sent []desk.Delivery
	for _, d := range all {
		if d.Change.Refusal != "" {
			o.Left = append(o.Left, d)
			continue
		}
		o.Done, done = append(o.Done, d), append(done, d.Now)
		shown := d.Now.Show()
		shown.Decision, shown.Reason = d.Wanted.Decision, d.Wanted.Reason
		o.Picks = append(o.Picks, pick(shown))
		if d.Change.To == billing.Retry {
			sent = append(sent, d.Now)
		}
	}
	o.Sums, o.Sent, o.SentSums = desk.SumsOf(done), len(sent), desk.SumsOf(sent)
	return o
}

// preview shows what a form's decision would do to the invoices that were picked.
func (s *site) preview(w http.ResponseWriter, r *http.Request) {
	wanted, ok := s.wanted(w, r)
	if !ok {
		return
	}
	for i := range wanted {
		wanted[i].Decision, wanted[i].Reason = r.PostFormValue("decision"), r.PostFormValue("reason")
	}
	s.showPreview(w, r, wanted)
}

func (s *site) showPreview(w http.ResponseWriter, r *http.Request, wanted []desk.Wanted) {
	if !s.sound(w, r, wanted) {
		return
	}
	patient(w)
	pause, err := s.Pauser.Paused(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	all, err := desk.Preview(r.Context(), s.Decider, wanted, whoAsks(r.Context()).Name)
	if err != nil {
		s.failDeciding(w, r, err)
		return
	}
	s.show(w, r, "preview", "Preview", "decide", newOutcome(all, pause))
}

// confirm makes the decisions that were previewed. What somebody else has decided since
// is left as it is.
func (s *site) confirm(w http.ResponseWriter, r *http.Request) {
	wanted, ok := s.wanted(w, r)
	if !ok || !s.sound(w, r, wanted) {
		return
	}
	patient(w)
	who := whoAsks(r.Context()).Name
	pause, err := s.Pauser.Paused(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	// What was confirmed is done, whether or not its decider waits for the answer.
	all, err := desk.Carry(context.WithoutCancel(r.Context()), s.Decider, wanted, who)
	if err != nil && len(all) == 0 {
		s.failDeciding(w, r, err)
		return
	}
	o := newOutcome(all, pause)
	if err != nil {
		s.Log.Error().Err(err).Msg("decisions broke off")
		o.Fault = "It broke off here: the ledger can't be reached. Look at the next invoice's page to see whether it was decided, and decide about the others again."
	}
	s.Log.Info().Str("by", who).Int("decided", len(o.Done)).Int("left", len(o.Left)).Msg("decisions were made on the page")
	s.show(w, r, "decided", "Decided", "decide", o)
}

// wanted reads what a form has picked.
func (s *site) wanted(w http.ResponseWriter, r *http.Request) ([]desk.Wanted, bool) {
	if err := r.ParseForm(); err != nil {
		s.say(w, r, http.StatusBadRequest, nothing, "The form can't be read, or is too large.")
		return nil, false
	}
	wanted, ok := picked(r.PostForm["pick"])
	switch {
	case !ok:
		s.say(w, r, http.StatusBadRequest, nothing, "The form is damaged. Load the list again.")
	case len(wanted) == 0:
		s.say(w, r, http.StatusBadRequest, nothing, "No invoice was chosen. Go back and choose some.")
	}
	return wanted, ok && len(wanted) > 0
}

// sound says what is wrong with decisions before the ledger is asked.
func (s *site) sound(w http.ResponseWriter, r *http.Request, wanted []desk.Wanted) bool {
	if len(wanted) > decidedAtOnce {
		s.say(w, r, http.StatusRequestEntityTooLarge, nothing,
			fmt.Sprintf("At most %s decisions are made at once. Take fewer, or use `batch resolve --from`.", words.Count(decidedAtOnce)))
		return false
	}
	for _, one := range wanted {
		if _, err := one.Resolution(""); err != nil {
			s.say(w, r, http.StatusBadRequest, nothing, err.Error()+".")
			return false
		}
	}
	return true
}

// failDeciding says why nothing was decided.
func (s *site) failDeciding(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, desk.ErrMarking) {
		s.say(w, r, http.StatusConflict, nothing, err.Error()+".")
		return
	}
	s.fail(w, err)
}

// patient gives a page the time that many decisions take.
func patient(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(decidingTime)) // else the server's own holds
}

func invoices(n int) string { return words.Plural(n, "invoice") }

func stateInWords(state billing.State) string { return strings.ReplaceAll(string(state), "_", " ") }
