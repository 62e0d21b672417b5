package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// lossy is a ledger that is failed over as it is told, and what was given back in it.
type lossy struct {
	Ledger
	Failover
	runID     uuid.UUID
	moves     int // how often it is failed over, each time before a commit that begins
	elsewhere bool
	givenBack []billing.InvoiceID
}

func (l *lossy) Commit(_ context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	if len(begin) > 0 && l.moves > 0 {
		l.moves--
		l.elsewhere = true
		return c, billing.ErrFailedOver
	}
	c.Begun = make(map[billing.InvoiceID]struct{})
	for _, in := range begin {
		c.Begun[in.InvoiceID] = struct{}{}
	}
	for _, s := range end {
		if s.State == billing.Retry {
			l.givenBack = append(l.givenBack, s.InvoiceID)
		}
		c.Ended = append(c.Ended, billing.SettledFully)
	}
	return c, nil
}

func (l *lossy) Follow(context.Context) (moved bool, err error) {
	moved, l.elsewhere, l.givenBack = l.elsewhere, false, nil
	return moved, nil
}

func (l *lossy) Recorded(context.Context) (bool, error)   { return true, nil }
func (l *lossy) RecordAgain(context.Context) error        { return nil }
func (l *lossy) Behind(context.Context) ([]string, error) { return nil, nil }
func (l *lossy) Accept(context.Context, string) error     { return nil }

// Delivered has all that was begun stand.
func (l *lossy) Delivered(_ context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]*billing.Delivery, error) {
	all := make(map[billing.InvoiceID]*billing.Delivery)
	for _, id := range ids {
		all[id] = &billing.Delivery{RunID: l.runID, Attempt: 1, State: billing.Sending}
	}
	return all, nil
}

// P12: an intent whose commit a database may have, and of which no request was sent, is
// given back in each database that the run comes to; and in none once it was begun again,
// for what it came to then is not to be overwritten.
func TestP12WhatWasGivenBackMayBeLostToo(t *testing.T) {
	t.Parallel()
	ledger := &lossy{runID: uuid.New(), moves: 1}
	f := newFailover(Config{RunID: ledger.runID}, Ports{Ledger: ledger, Failover: ledger}, time.Minute, newStopper(zerolog.Nop()), zerolog.Nop())
	begin := func(ids ...billing.InvoiceID) {
		t.Helper()
		intents := make([]billing.Intent, len(ids))
		for i, id := range ids {
			intents[i] = billing.Intent{InvoiceID: id, Attempt: 1, RunAttempt: 1}
		}
		if _, err := f.Commit(t.Context(), intents, nil); err != nil {
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
