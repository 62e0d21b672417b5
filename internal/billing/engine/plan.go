package engine

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

// action is what is to be done about a claimed invoice.
type action int

const (
	toLeave  action = iota // nothing by this claim
	toBegin                // no earlier request can have had an effect
	toRepeat               // an earlier one may have had it, under the same key
	toAsk                  // the API is asked whether it acted
	toSettle               // what an earlier sender left is decided without a request
)

// reason is why an invoice is left.
type reason int

const (
	notOurs      reason = iota // this run has no more to do with it
	heldByOther                // its sender lives
	notDue                     // not before dueIn
	mayArrive                  // its request may still arrive: not before dueIn
	stillInDoubt               // an earlier run left it so
	unrendered                 // no request can be made of it
)

// step is what is to be done about one invoice, as of a second look.
type step struct {
	do       action
	why      reason           // toLeave
	dueIn    time.Duration    // notDue, mayArrive
	err      error            // unrendered
	decision billing.Decision // toSettle
	changed  bool             // the invoice makes another request, or look-up, now than what may have had its effect
	source   billing.Invoice  // what the request is made from, where it may be repeated
	request  billing.Request
	intent   billing.Intent
	key      billing.Key
}

// planner says what to do about invoices. It is pure, as far as its renderer is.
type planner struct {
	renderer    Renderer
	known       billing.Known
	runID       uuid.UUID
	ledgerID    uuid.UUID
	keyTTL      time.Duration // how long the API remembers a key
	maxAttempts int
	lookUpAfter time.Duration
	pace        *pace     // nil: nothing is held back
	failover    *failover // nil: the database has forgotten nothing
}

// heldBack is how long the API has asked the request's account to wait.
func (p planner) heldBack(r billing.Request) time.Duration {
	if p.pace == nil {
		return 0
	}
	return p.pace.heldBack(account(r))
}

// mayLookUp says that no request of the delivery can still arrive.
func (p planner) mayLookUp(seen *billing.Delivery) bool { return seen.DeadlineIn+p.lookUpAfter <= 0 }

// view is what the planner goes by beside the invoice itself.
type view struct {
	at          time.Time
	recoverable map[billing.InvoiceID]int
	asks        bool // what is in doubt is looked up once more
}

func (p planner) plan(inv billing.Invoice, v view) step {
	seen := inv.Delivery
	if seen != nil {
		if left := p.mayTry(inv.ID, seen, v); left != nil {
			return *left
		}
	}
	key := billing.KeyOf(p.ledgerID, inv)
	inv.Key = key.Text
	request, err := p.render(inv)
	if err != nil && !seen.MayHaveActed() {
		return step{why: unrendered, err: err, intent: billing.Intent{InvoiceID: inv.ID}}
	}
	s := p.prepared(inv, key, request)
	if wait := p.heldBack(request); wait > 0 && (seen == nil || seen.State == billing.Retry) {
		return step{why: notDue, dueIn: wait}
	}
	changed := err != nil || seen.MayHaveActed() && !s.isAsSent(seen)
	switch {
	case seen == nil, seen.State == billing.Retry && !seen.Doubtful && !p.mayRepeat(seen):
		if life := billing.KeyLife(p.keyTTL); seen != nil && seen.KeyUse < billing.KeyUnused && seen.KeyAge < life {
			// The API counts from the first request that it saw under the key.
			s.key = s.key.Used(seen.KeyAge, v.at)
		}
		s.do = toBegin
		return s
	case seen.State == billing.InDoubt && (err != nil || !asksAboutIt(request, seen)):
		return step{why: stillInDoubt, changed: changed}
	case seen.State == billing.InDoubt:
		s.do = toAsk
		return s
	}
	s = p.recovered(s, v, err)
	s.changed = changed
	return s
}

// mayRepeat says of a delivery that looks as if no request had its effect, that the database
// may have forgotten one, under a key that the API has known since.
func (p planner) mayRepeat(seen *billing.Delivery) bool {
	return p.failover.repeats() && seen.KeyUse < billing.KeyUnused
}

func (p planner) render(inv billing.Invoice) (billing.Request, error) {
	if inv.Fault != nil {
		return billing.Request{}, inv.Fault
	}
	return p.renderer.Render(inv)
}

// mayTry says whether the delivery is this claim's to try, as of the second look: nil,
// or the step that leaves it.
func (p planner) mayTry(id billing.InvoiceID, seen *billing.Delivery, v view) *step {
	switch seen.State {
	case billing.Retry:
		if seen.DueIn > 0 {
			// Tried by another run since the scan.
			return &step{why: notDue, dueIn: seen.DueIn}
		}
		if seen.RunID != p.runID || seen.RunAttempt < p.maxAttempts {
			return nil
		}
	case billing.Sending:
		// Not if somebody took it over between the scan and our lock, and lives.
		if found, ok := v.recoverable[id]; ok && found == seen.Attempt {
			return nil
		}
		return &step{why: heldByOther}
	case billing.InDoubt:
		// A look-up that could not be made then may be made now.
		if v.asks && p.mayLookUp(seen) {
			return nil
		}
		return &step{why: stillInDoubt}
	}
	return &step{why: notOurs}
}

// prepared is the step's request and its intent.
func (p planner) prepared(inv billing.Invoice, key billing.Key, request billing.Request) step {
	request.InvoiceID, request.IdempotencyKey = inv.ID, key.Text
	if inv.Delivery != nil && inv.Delivery.Again && !request.LookupByKey {
		request.LookupSHA256 = nil // it would answer for what was sent before
	}
	hash := sha256.Sum256(request.Body)
	s := step{request: request, key: key, intent: billing.Intent{
		InvoiceID: inv.ID, Attempt: 1, RunAttempt: 1, Key: key.Text, Amount: inv.Amount, BodySHA256: hash[:], Seen: inv.Delivery,
		RequestSHA256: request.SHA256, LookupSHA256: request.LookupSHA256, KeyLife: billing.KeyLife(p.keyTTL),
	}}
	if p.known.Idempotent {
		s.source = inv
	}
	if seen := inv.Delivery; seen != nil {
		s.intent.Attempt = seen.Attempt + 1
		if seen.RunID == p.runID {
			s.intent.RunAttempt = seen.RunAttempt + 1
		}
	}
	return s
}

// recovered plans for a delivery of which an earlier attempt may have had its effect;
// unrendered is why no request can be made of it now.
func (p planner) recovered(s step, v view, unrendered error) step {
	seen := s.intent.Seen
	s.request.Repeat, s.key = true, s.key.Used(seen.KeyAge, v.at)
	known := p.known
	known.KeyAge, known.AttemptsLeft = s.key.Age(v.at), true
	asks := unrendered == nil && asksAboutIt(s.request, seen)
	elsewhere := known.HasLookup && unrendered == nil && !asks
	known.HasLookup = known.HasLookup && asks
	known.RequestChanged = unrendered != nil || !s.repeats(seen)
	known.DeadlinePassed, known.MayLookUp, known.Recovered = seen.DeadlinePassed(), p.mayLookUp(seen), seen.State == billing.Sending
	switch decision := billing.Decide(known); {
	case decision.Action == billing.Wait:
		due := seen.DeadlineIn
		if known.DeadlinePassed {
			due += p.lookUpAfter
		}
		return step{why: mayArrive, dueIn: max(due, lingerPoll)}
	case decision.Action == billing.LookUp:
		s.do = toAsk
	case decision.Next == billing.Retry:
		s.do = toRepeat
	default:
		if unrendered != nil {
			decision.Reason += "; and its request can't be built now: " + unrendered.Error()
		}
		if elsewhere {
			decision.Reason += "; no look-up is known to ask about what was sent"
		}
		s.do, s.decision = toSettle, decision
	}
	return s
}

// repeats says whether the step's request is the one that was sent. Of an older
// program's attempt only the body is known, also where an earlier attempt left more.
func (s step) repeats(seen *billing.Delivery) bool {
	return slices.Equal(s.intent.BodySHA256, seen.BodySHA256) &&
		(seen.RequestSHA256 == nil || slices.Equal(s.intent.RequestSHA256, seen.RequestSHA256))
}

// isAsSent says whether both the request and the look-up are those of the attempt. Of an
// older program's nothing was kept.
func (s step) isAsSent(seen *billing.Delivery) bool {
	return seen.RequestSHA256 == nil ||
		s.repeats(seen) && (seen.LookupSHA256 == nil || s.intent.LookupSHA256 == nil || asksAboutIt(s.request, seen))
}

// asksAboutIt says whether a look-up that is made now asks about what was sent.
func asksAboutIt(now billing.Request, seen *billing.Delivery) bool {
	return seen.LookupSHA256 != nil && !now.LookupByReply && slices.Equal(now.LookupSHA256, seen.LookupSHA256)
}

// settlement settles what an earlier sender left, under that sender's guard.
func (s step) settlement(d billing.Decision) billing.Settlement {
	seen := s.intent.Seen
	came := billing.Settlement{
		InvoiceID: s.intent.InvoiceID, RunID: seen.RunID, Attempt: seen.Attempt, RunAttempt: seen.RunAttempt,
		State: d.Next, Doubtful: d.Next == billing.InDoubt, KeyUse: billing.KeyDoubted, Reason: d.Reason,
	}
	if d.Next == billing.SubmittedState {
		came.RetryIn = billing.SubmittedAgain(seen.SubmittedFor, 0, 0) // nobody has asked for more
	}
	return came
}
