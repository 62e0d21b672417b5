package pgstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// both commits the intents of some invoices with the settlements of others.
func both(t *testing.T, s *pgstore.Store, begin []billing.InvoiceID, end ...billing.Settlement) (billing.Committed, error) {
	t.Helper()
	intents := make([]billing.Intent, len(begin))
	for i, id := range begin {
		intents[i] = newIntent(id)
		intents[i].DeadlineIn = time.Minute
	}
	return s.Commit(t.Context(), intents, end)
}

// P1: what has ended is settled in the very transaction that begins what takes its place.
func TestP1BothInOneTransaction(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1")
	c, err := both(t, s, []billing.InvoiceID{"2", "3"}, sent(run, "1"))
	if err != nil || c.PutOff || len(c.Begun) != 2 || !slices.Equal(c.Ended, []billing.Settled{billing.SettledFully}) {
		t.Fatalf("committed %+v: %v", c, err)
	}
	got := query[string](t, cfg, `select states || ' in ' || transactions || ', marked in it: ' || (select xmin = (select max(xmin::text) from billonce.deliveries)::xid and not pending from invoices where id = 1)
		from (select string_agg(state, ' ' order by invoice_id) as states, count(distinct xmin::text) as transactions from billonce.deliveries) d`)
	if want := "sent sending sending in 1, marked in it: true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// P8: what stands in the way of a commit of both keeps nothing that has ended from being
// settled, and nothing that can't be begun is taken for begun.
func TestP8WhatEndsDoesNotWaitForWhatBegins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare, hold string
		states        string
		putOff        bool
		refused       error
	}{
		"an invoice that is held": {hold: "update invoices set customer = 'x' where id = 1", states: "1:unmarked", putOff: true},
		"another run was faster":  {prepare: "theirs", states: "1:sent 2:sending", putOff: true},
		"another run is at it": {
			hold:   `insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, run_id, first_sent_at, updated_at, deadline_at) values (2, 'sending', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now())`,
			states: "1:sent", putOff: true,
		},
		"the book is paused": {
			prepare: "update billonce.ledger set paused_at = now(), paused_by = 'ada', pause_reason = 'prices'",
			states:  "1:sent", refused: billing.ErrPaused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 3)
			s, run := openStore(t, cfg, "advisory")
			sending(t, s, "1")
			switch {
			case c.prepare == "theirs":
				theirs, _ := openStore(t, cfg, "advisory")
				sending(t, theirs, "2")
			case c.prepare != "":
				execute(t, cfg, c.prepare)
			}
			if c.hold != "" {
				defer hold(t, cfg, c.hold)()
			}
			came, err := both(t, s, []billing.InvoiceID{"2", "3"}, sent(run, "1"))
			if !errors.Is(err, c.refused) || came.PutOff != c.putOff || len(came.Begun) != 0 || !slices.Equal(came.Ended, []billing.Settled{billing.SettledFully}) {
				t.Errorf("committed %+v: %v", came, err)
			}
			if got := states(t, cfg); got != c.states {
				t.Errorf("the ledger has %q, want %q", got, c.states)
			}
		})
	}
}

// cutting breaks a connection once, before or after the server has had what is sent.
type cutting struct {
	net.Conn
	before, after *atomic.Bool
}

func (c cutting) Write(b []byte) (int, error) {
	if c.before.CompareAndSwap(true, false) {
		_ = c.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

func (c cutting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.after.CompareAndSwap(true, false) {
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// P1: where it is not known whether both were committed, the ledger is asked: nothing is
// begun twice, and nothing is left behind as begun.
func TestP1BothOfUnknownFate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"not committed", "committed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var before, after atomic.Bool
			cfg := seeded(t, 5)
			cut := cfg.Copy()
			cut.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return cutting{conn, &before, &after}, err
			}
			s, run := openStore(t, cut, "advisory")
			sending(t, s, "1", "2")
			// All statements are prepared by then, and the run has noted that it settles.
			if c, err := both(t, s, []billing.InvoiceID{"3"}, sent(run, "1")); err != nil || len(c.Begun) != 1 {
				t.Fatalf("committed %+v: %v", c, err)
			}
			armed := &before
			if name == "committed" {
				armed = &after
			}
			armed.Store(true)
			c, err := both(t, s, []billing.InvoiceID{"4", "5"}, sent(run, "2"), sent(run, "3"))
			if armed.Load() {
				t.Fatal("nothing was cut")
			}
			if err != nil || c.PutOff || len(c.Begun) != 2 || !slices.Equal(c.Ended, []billing.Settled{billing.SettledFully, billing.SettledFully}) {
				t.Errorf("committed %+v: %v", c, err)
			}
			if got, want := states(t, cfg), "1:sent 2:sent 3:sent 4:sending 5:sending"; got != want {
				t.Errorf("the ledger has %q, want %q", got, want)
			}
			if n := query[int](t, cfg, "select count(*) from invoices where pending"); n != 2 {
				t.Errorf("%d invoices are pending, want 2", n)
			}
		})
	}
}
