package engine

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
)

const (
	// submittedRead is how many of those that are due soonest are read at once.
	submittedRead = 1000
	// submittedPage is how many are asked about before what that decides is settled.
	submittedPage = 100
	// submittedPoll is how often it is looked for what is due, at least: other runners
	// submit, too.
	submittedPoll = 5 * time.Second
	// submittedIdle is how many times as long as such a look is the pause behind it:
	// 100,000 of them must not keep the database busy.
	submittedIdle = 20
	// submittedBeside is what part of CONCURRENCY look-ups are made beside requests.
	submittedBeside = 8
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
}

// beside asks whenever one is due, until ctx is over, and leaves the API to requests.
func (s *submitted) beside(ctx context.Context) error {
	return s.work(ctx, max(1, s.most/submittedBeside), time.Time{})
}

// linger asks about those that are due, and returns as soon as none will be due before
// until.
func (s *submitted) linger(ctx context.Context, until time.Time) error {
	return s.work(ctx, s.most, until)
}

func (s *submitted) work(ctx context.Context, most int, until time.Time) error {
	for ctx.Err() == nil {
		began := time.Now()
		next, err := s.port.NextSubmitted(ctx, submittedRead)
		if err != nil {
			return unlessOver(ctx, err)
		}
		cost := time.Since(began)
		var due []billing.InvoiceID
		for _, n := range next {
			if n.DueIn <= 0 {
				due = append(due, n.ID)
			}
		}
		for page := range slices.Chunk(due, submittedPage) {
			if err := s.askPage(ctx, page, most); err != nil {
				return err
			}
			if ctx.Err() != nil || !until.IsZero() && time.Now().After(until) {
				return nil
			}
		}
		if len(due) == submittedRead {
			continue
		}
		wait := submittedPoll
		if len(due) < len(next) {
			wait = min(wait, next[len(due)].DueIn)
		}
		wait = max(wait, lingerPoll, submittedIdle*cost)
		if !until.IsZero() {
			left := time.Until(until)
			if len(next) == 0 || wait > left || len(due) == 0 && next[0].DueIn > left {
				return nil
			}
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

// askPage asks about some, and settles what that decides.
func (s *submitted) askPage(ctx context.Context, ids []billing.InvoiceID, most int) error {
	invoices, err := s.port.LookSubmitted(ctx, ids)
	if err != nil {
		return unlessOver(ctx, err)
	}
	invoices = slices.DeleteFunc(invoices, func(inv billing.Invoice) bool {
		d := inv.Delivery // decided or asked about meanwhile, by another runner
		return d == nil || d.State != billing.SubmittedState || d.DueIn > 0
	})
	found := make([]billing.Found, len(invoices))
	var g errgroup.Group
	g.SetLimit(most)
	for i, inv := range invoices {
		g.Go(func() error {
			found[i] = s.find(ctx, inv)
			return nil
		})
	}
	_ = g.Wait() // no look-up is an error
	doubtAbsent := ""
	if slices.ContainsFunc(found, func(f billing.Found) bool { return f.Finding == billing.Absent }) {
		doubtAbsent = s.proof.deniesSent(ctx)
	}
	var group []ended
	for i, inv := range invoices {
		f := found[i]
		if f.Finding == billing.Absent && doubtAbsent != "" {
			f.Finding, f.Reason = billing.UnknownFinding, doubtAbsent
		}
		if ctx.Err() != nil && (f.Finding == billing.UnknownFinding || f.Finding == billing.Absent) {
			continue // the stop cut the look-up off, or its control
		}
		group = append(group, ended{settlement: s.settlement(inv, f)})
	}
	if len(group) == 0 {
		return nil
	}
	// What was found out is written down even as the run is stopped.
	return s.settler.write(context.WithoutCancel(ctx), s.settler.commit, group)
}

// unlessOver: what was cut off by the end is no error.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// settlement is what comes of a delivery by what was found out about it.
func (s *submitted) settlement(inv billing.Invoice, found billing.Found) billing.Settlement {
	d := inv.Delivery
	decision := billing.DecideSubmitted(d, found, d.DeadlineIn+s.after <= 0, s.overdue)
	came := billing.Settlement{
		InvoiceID: inv.ID, RunID: d.RunID, Attempt: d.Attempt, RunAttempt: d.RunAttempt,
		State: decision.Next, Doubtful: d.Doubtful, KeyUse: billing.KeyAnswered, Reason: decision.Reason,
	}
	switch decision.Next {
	case billing.SubmittedState:
		came.RetryIn = billing.SubmittedAgain(d.SubmittedFor, found.RetryAfter, s.overdue)
		return came
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
	return came
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
	failpoint.Hit("before_submitted_look_up")
	found := s.proof.ask(ctx, request)
	failpoint.Hit("after_submitted_look_up")
	return found
}
