package engine

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"billonce/internal/billing"
)

const (
	// submittedPage is how many are asked about before what that decides is settled.
	submittedPage = 100
	// submittedPoll is how often it is looked for what is due, at least: other runners
	// submit, too.
	submittedPoll = 5 * time.Second
)

// submitted asks what became of the deliveries that the API has taken with a 202,
// whichever run sent them. It holds no claim and no slot: a run that has new invoices to
// send goes on sending them.
type submitted struct {
	port     Submitted
	renderer LookUpRenderer
	proof    *proof
	settler  *settler
	tally    *billing.Tally
	most     int           // look-ups at the same time
	after    time.Duration // BILLING_LOOKUP_AFTER
	overdue  time.Duration // BILLING_SUBMITTED_FOR
	log      zerolog.Logger
}

// work asks whenever one is due, until ctx is over. With until it returns as soon as none
// will be due before.
func (s *submitted) work(ctx context.Context, until time.Time) error {
	for ctx.Err() == nil {
		n, err := s.askDue(ctx)
		if err != nil {
			return err
		}
		if n == submittedPage {
			continue
		}
		st, err := s.port.SubmittedStanding(ctx)
		if err != nil {
			return unlessOver(ctx, err)
		}
		wait := submittedPoll
		if st.Count > 0 {
			wait = min(wait, max(st.NextIn, lingerPoll))
		}
		if !until.IsZero() && (st.Count == 0 || time.Now().Add(max(st.NextIn, wait)).After(until)) {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

// askDue asks about some that are due, and settles what that decides.
func (s *submitted) askDue(ctx context.Context) (n int, err error) {
	invoices, err := s.port.SubmittedDue(ctx, submittedPage)
	if err != nil {
		return 0, unlessOver(ctx, err)
	}
	came := make([]*billing.Settlement, len(invoices))
	var g errgroup.Group
	g.SetLimit(s.most)
	for i, inv := range invoices {
		g.Go(func() error {
			came[i] = s.ask(ctx, inv)
			return nil
		})
	}
	_ = g.Wait() // no look-up is an error
	var group []ended
	for _, c := range came {
		if c != nil {
			group = append(group, ended{settlement: *c})
		}
	}
	if len(group) == 0 {
		return 0, nil
	}
	// What was found out is written down even as the run is stopped.
	return len(invoices), s.settler.write(context.WithoutCancel(ctx), s.settler.commit, group)
}

// unlessOver: what was cut off by the end is no error.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ask asks about one; nil: the stop cut it off.
func (s *submitted) ask(ctx context.Context, inv billing.Invoice) *billing.Settlement {
	d := inv.Delivery
	if d == nil || d.State != billing.SubmittedState {
		return nil // decided meanwhile
	}
	found := s.find(ctx, inv)
	if ctx.Err() != nil && found.Finding == billing.UnknownFinding {
		return nil
	}
	decision := billing.DecideSubmitted(d, found, d.DeadlineIn+s.after <= 0, s.overdue)
	came := billing.Settlement{
		InvoiceID: inv.ID, RunID: d.RunID, Attempt: d.Attempt, RunAttempt: d.RunAttempt,
		State: decision.Next, Doubtful: d.Doubtful, KeyUse: billing.KeyAnswered, Reason: decision.Reason,
	}
	switch decision.Next {
	case billing.SubmittedState:
		came.RetryIn = billing.SubmittedAgain(d.SubmittedFor, found.RetryAfter)
		return &came
	case billing.Sent:
		came.Answer = found.Answer
		if came.Answer != nil && d.ReplyID != "" {
			came.Answer.ID = "" // the ledger keeps the one that the request was given
		}
		came.Reason = ""
	case billing.InDoubt:
		came.Doubtful, came.KeyUse = true, billing.KeyDoubted
	default:
		came.Reason += ": " + found.Reason
	}
	s.tally.LookedUp.Add(1)
	return &came
}

// find makes the look-up, where that asks about what was sent and is not known to lie.
func (s *submitted) find(ctx context.Context, inv billing.Invoice) billing.Found {
	if why := s.proof.distrusted(); why != "" {
		return billing.Found{Reason: why}
	}
	inv.Key = inv.Delivery.Key
	request, err := s.renderer.RenderLookUp(inv)
	switch {
	case err != nil:
		return billing.Found{Reason: "no look-up can be made: " + err.Error()}
	case request.LookupByReply && inv.Delivery.ReplyID == "":
		return billing.Found{Reason: "no look-up can be made: the reply had no id where BILLING_REPLY_ID says"}
	case !slices.Equal(request.LookupSHA256, inv.Delivery.LookupSHA256):
		return billing.Found{Reason: "no look-up can be made: the invoice or a setting has changed, and it would ask about something else"}
	}
	return s.proof.ask(ctx, request)
}
