package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// lossy is a ledger that is failed over as it is told.
type lossy struct {
	Ledger
	Failover
	runID     uuid.UUID
	moves     int // how often it is failed over, each time before a commit that begins
	elsewhere bool

	unrecorded  bool     // it does not know the run
	unwilling   error    // why what is given back is refused
	silent      error    // why it does not come to know it
	behind      []string // other runs
	lost        bool     // they have told that more is lost
	behindMoves int      // how often it is failed over as those are asked for
	doubts      func()   // as it is asked how old what is forgotten may be

	undecided error // why it does not come to be trusted

	begun, givenBack []billing.InvoiceID
	ended            map[billing.InvoiceID]billing.State
	accepted         int
}

func (l *lossy) Commit(_ context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	if len(begin) > 0 && l.moves > 0 {
		l.moves--
		l.elsewhere = true
		c.Ended = make([]billing.Settled, len(end))
		for i := range end {
			c.Ended[i] = billing.NotSettled
		}
		return c, billing.ErrFailedOver
	}
	c.Begun = make(map[billing.InvoiceID]struct{})
	for _, in := range begin {
		c.Begun[in.InvoiceID] = struct{}{}
		l.begun = append(l.begun, in.InvoiceID)
	}
	for _, s := range end {
		if s.State == billing.Retry && l.unwilling != nil {
			return c, l.unwilling
		}
		if s.State == billing.Retry {
			l.givenBack = append(l.givenBack, s.InvoiceID)
		} else {
			l.ended[s.InvoiceID] = s.State
		}
		c.Ended = append(c.Ended, billing.SettledFully)
	}
	return c, nil
}

func (l *lossy) Follow(context.Context) (moved bool, err error) {
	moved, l.elsewhere, l.givenBack = l.elsewhere, false, nil
	return moved, nil
}

func (l *lossy) Recorded(context.Context) (bool, error) { return !l.unrecorded, nil }

func (l *lossy) RecordAgain(context.Context, bool) error {
	if l.silent == nil {
		l.unrecorded = false
	}
	return l.silent
}

func (l *lossy) Behind(context.Context) (runs []string, lost bool, err error) {
	if l.behindMoves > 0 {
		l.behindMoves--
		l.elsewhere = true
		return nil, false, billing.ErrFailedOver
	}
	return l.behind, l.lost, nil
}

func (l *lossy) Accept(context.Context, string) error {
	if l.undecided == nil {
		l.accepted++
	}
	return l.undecided
}

func (l *lossy) Doubt(context.Context, time.Time) (time.Duration, error) {
	if l.doubts != nil {
		l.doubts()
	}
	return time.Hour, nil
}

// Delivered has all stand that was begun, and what it came to.
func (l *lossy) Delivered(_ context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]*billing.Delivery, error) {
	all := make(map[billing.InvoiceID]*billing.Delivery)
	for _, id := range ids {
		d := &billing.Delivery{RunID: l.runID, Attempt: 1, State: billing.Sending}
		if state, ended := l.ended[id]; ended {
			d.State = state
		}
		all[id] = d
	}
	return all, nil
}

// over is a run's failover over it.
func (l *lossy) over() *failover {
	l.runID, l.ended = uuid.New(), make(map[billing.InvoiceID]billing.State)
	return newFailover(Config{RunID: l.runID, Linger: time.Minute}, Ports{Ledger: l, Failover: l}, time.Minute, newStopper(zerolog.Nop()), zerolog.Nop())
}

func untried(ids ...billing.InvoiceID) []billing.Intent {
	intents := make([]billing.Intent, len(ids))
	for i, id := range ids {
		intents[i] = billing.Intent{InvoiceID: id, Attempt: 1, RunAttempt: 1}
	}
	return intents
}

// P12: an intent whose commit a database may have, and of which no request was sent, is
// given back in each database that the run comes to; and in none once it was begun again,
// for what it came to then is not to be overwritten.
func TestP12WhatWasGivenBackMayBeLostToo(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1}
	f := ledger.over()
	begin := func(ids ...billing.InvoiceID) {
		t.Helper()
		if _, err := f.Commit(t.Context(), untried(ids...), nil); err != nil {
			t.Fatal(err)
		}
		if err := f.check(t.Context()); err != nil { // the others stand
			t.Fatal(err)
		}
	}
	givenBack := func(want ...billing.InvoiceID) {
		t.Helper()
		slices.Sort(ledger.givenBack)
		if !slices.Equal(ledger.givenBack, want) {
			t.Errorf("%q are given back, want %q", ledger.givenBack, want)
		}
	}
	begin("1", "2")
	givenBack("1", "2")
	ledger.moves = 1
	begin("3")
	givenBack("1", "2", "3")
	begin("2")
	ledger.moves = 1
	begin("4")
	givenBack("1", "3", "4")
}

// P12: what is in doubt stays so, though an intent of the same attempt was made from what a
// database had forgotten of it.
func TestP12ADoubtIsNotGivenBack(t *testing.T) {
	t.Parallel()
	ledger := &lossy{}
	f := ledger.over()
	if _, err := f.Commit(t.Context(), untried("1", "2"), nil); err != nil {
		t.Fatal(err)
	}
	doubt := []billing.Settlement{{InvoiceID: "1", RunID: ledger.runID, Attempt: 1, State: billing.InDoubt, Doubtful: true}}
	if _, err := f.Commit(t.Context(), nil, doubt); err != nil {
		t.Fatal(err)
	}
	ledger.moves = 1
	if _, err := f.Commit(t.Context(), untried("1"), nil); err != nil || len(ledger.givenBack) > 0 {
		t.Errorf("%q are given back (%v)", ledger.givenBack, err)
	}
}

// P12: what can't be given back is in doubt, and keeps nothing else from being settled.
func TestP12WhatCantBeGivenBackHoldsNothingUp(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1, unwilling: errors.New("a trigger")}
	f := ledger.over()
	sent := []billing.Settlement{{InvoiceID: "1", RunID: ledger.runID, Attempt: 1, State: billing.Sent}}
	c, err := f.Commit(t.Context(), untried("2"), sent)
	if err != nil || len(c.Begun) > 0 || c.Ended[0] != billing.SettledFully {
		t.Errorf("%+v, %v", c, err)
	}
}

// P12: that a run has written itself what was missing, in a first try that failed, does not
// make it known what else was lost: nothing more begins, and the database is not trusted.
func TestP12ASecondTryDoesNotTrustTheFirst(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1, unrecorded: true, silent: errors.New("away")}
	f := ledger.over()
	if _, err := f.Commit(t.Context(), untried("1"), nil); !errors.Is(err, ledger.silent) {
		t.Fatalf("got %v", err)
	}
	if !f.halts() {
		t.Error("it goes on, though not all is known to stand")
	}
	ledger.silent, ledger.unrecorded = nil, false // the first try was committed after all
	if err := f.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Commit(t.Context(), untried("2"), nil); err != nil || len(ledger.begun) > 0 || ledger.accepted > 0 {
		t.Errorf("%q are begun, and it is trusted %d times (%v)", ledger.begun, ledger.accepted, err)
	}
	if reason, _ := f.stop.cause(); reason != billing.StoppedByFailover {
		t.Errorf("the run is stopped %q", reason)
	}
}

// P12: with keys a run goes on once it is known how old what is forgotten may be, and
// nothing begins before.
func TestP12NothingBeginsBeforeTheAgeIsKnown(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1, unrecorded: true}
	f := ledger.over()
	f.idempotent, f.keyTTL = true, 24*time.Hour
	asked := 0
	ledger.doubts = func() {
		asked++
		if !f.holdsBack() || f.keysDead() {
			t.Errorf("held back: %t; keys are taken for dead: %t", f.holdsBack(), f.keysDead())
		}
	}
	for _, id := range []billing.InvoiceID{"1", "2"} {
		if _, err := f.Commit(t.Context(), untried(id), nil); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 || !slices.Equal(ledger.begun, []billing.InvoiceID{"2"}) || !f.repeats() || f.stop.stopped() {
		t.Errorf("asked %d times, %q are begun, as repeats: %t; stopped: %t", asked, ledger.begun, f.repeats(), f.stop.stopped())
	}
}

// P12: what waited while this run wrote its own again was seen before others had: it is not
// begun, alone or with what ends.
func TestP12WhatWasSeenBeforeOthersStandIsNotBegun(t *testing.T) {
	t.Parallel()
	ledger := &lossy{}
	f := ledger.over()
	f.others.Store(&others{time.Now(), time.Now().Add(time.Minute)})
	if ours, err := f.beginOnce(t.Context(), untried("1")); err != nil || ours != nil {
		t.Errorf("alone: %v are begun (%v)", ours, err)
	}
	c, err := f.both(t.Context(), untried("1"), []billing.Settlement{{InvoiceID: "2", RunID: ledger.runID, Attempt: 1, State: billing.Sent}})
	if err != nil || !c.PutOff || c.Ended[0] != billing.SettledFully {
		t.Errorf("with what ends: %+v, %v", c, err)
	}
	if len(ledger.begun) > 0 {
		t.Errorf("%q are begun", ledger.begun)
	}
}

// P12: a fail-over while other runs are waited for is one more to live through.
func TestP12AFailoverWhileOthersAreAwaited(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1, behindMoves: 1}
	f := ledger.over()
	for _, id := range []billing.InvoiceID{"1", "2", "3", "4"} { // the third one waits for the others
		if _, err := f.Commit(t.Context(), untried(id), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(ledger.begun, []billing.InvoiceID{"4"}) || ledger.accepted != 1 || f.stop.stopped() {
		t.Errorf("%q are begun, and it is trusted %d times", ledger.begun, ledger.accepted)
	}
	ledger.behindMoves = 1
	f.others.Store(&others{time.Now(), time.Now().Add(time.Minute)})
	if err := f.check(t.Context()); err != nil || ledger.accepted != 2 {
		t.Errorf("at the end: %v, it is trusted %d times", err, ledger.accepted)
	}
}

// P12: whoever suspects that more is lost than is remembered has no database trusted, and
// has it said to who remembers all of its own.
func TestP12ASuspicionIsNotOvercome(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(l *lossy, f *failover){
		"by a wait for others from before": func(l *lossy, f *failover) {
			f.others.Store(&others{time.Now(), time.Now().Add(time.Minute)})
			l.elsewhere, l.unrecorded = true, true
		},
		"by who remembers all": func(l *lossy, f *failover) {
			f.others.Store(&others{time.Now(), time.Now().Add(time.Minute)})
			l.behind, l.lost = []string{"another"}, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := &lossy{}
			f := ledger.over()
			before(ledger, f)
			for range 2 {
				if err := f.check(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			reason, _ := f.stop.cause()
			if ledger.accepted > 0 || reason != billing.StoppedByFailover {
				t.Errorf("it is trusted %d times; the run is stopped %q", ledger.accepted, reason)
			}
		})
	}
}

// P12: where it can't be recorded that all stand, they are looked at once more.
func TestP12WhatIsTrustedIsRecorded(t *testing.T) {
	t.Parallel()
	ledger := &lossy{undecided: errors.New("away")}
	f := ledger.over()
	f.others.Store(&others{time.Now(), time.Now().Add(time.Minute)})
	if err := f.check(t.Context()); !errors.Is(err, ledger.undecided) {
		t.Errorf("got %v", err)
	}
	ledger.undecided = nil
	if err := f.check(t.Context()); err != nil || ledger.accepted != 1 {
		t.Errorf("%v; it is trusted %d times", err, ledger.accepted)
	}
}

// P12: what a fail-over has kept back is held by nobody: it is looked for anew.
func TestP12WhatIsKeptBackIsHeldByNobody(t *testing.T) {
	t.Parallel()
	ledger := &lossy{moves: 1}
	f := ledger.over()
	hand := newHand(1)
	i := newIntents(f, newTroubles(ledger.runID, &billing.Tally{}, zerolog.Nop()), nil, hand, time.Minute, time.Minute)
	c := &claim{}
	steps := []step{{intent: untried("1")[0]}}
	if begun, _, err := i.commit(t.Context(), c, steps, nil); err != nil || len(begun) > 0 || !c.kept || c.fenced > 0 {
		t.Errorf("%d begun, %d held by others, kept back: %t (%v)", len(begun), c.fenced, c.kept, err)
	}
}
