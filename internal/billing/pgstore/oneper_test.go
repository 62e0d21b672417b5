package pgstore_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
)

// customers is a book whose column customer keeps requests apart, with so many customers.
func customers(t *testing.T, invoices, n int) (*pgx.ConnConfig, book.Book) {
	t.Helper()
	cfg := seeded(t, invoices)
	execute(t, cfg, fmt.Sprintf("update invoices set customer = 'c' || id %% %d; create index on invoices (customer, id)", n))
	b := parsed(t, book.Settings{
		Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()", OnePer: "customer",
	})
	return cfg, b
}

// oneAPI sees to it that no two requests for one customer meet, and that each customer's
// come by key.
type oneAPI struct {
	t       *testing.T
	n       int
	mu      sync.Mutex
	atWork  map[int]bool
	last    map[int]int
	most    int
	wanted  int           // requests wait until so many are at work; 0: none waits
	reached chan struct{} // closed then
	answers func(id int) billing.Reply
}

func newOneAPI(t *testing.T, n int) *oneAPI {
	return &oneAPI{t: t, n: n, atWork: map[int]bool{}, last: map[int]int{}, reached: make(chan struct{})}
}

func (o *oneAPI) reply(m billing.Request, _ int) billing.Reply {
	id, _ := strconv.Atoi(string(m.InvoiceID))
	customer := id % o.n
	o.mu.Lock()
	if o.atWork[customer] {
		o.t.Errorf("two requests of customer %d at once", customer)
	}
	if o.last[customer] > id {
		o.t.Errorf("invoice %d comes after %d", id, o.last[customer])
	}
	o.atWork[customer], o.last[customer] = true, id
	o.most = max(o.most, len(o.atWork))
	if o.most == o.wanted {
		o.wanted = 0
		close(o.reached)
	}
	waits := o.wanted > 0
	o.mu.Unlock()
	if waits {
		select {
		case <-o.reached:
		case <-time.After(20 * time.Second): // o.most tells
		}
	}
	o.mu.Lock()
	delete(o.atWork, customer)
	o.mu.Unlock()
	if o.answers != nil {
		return o.answers(id)
	}
	return billing.Reply{Outcome: billing.Accepted, Status: 200}
}

func onePerRunner(t *testing.T, cfg *pgx.ConnConfig, b book.Book, o *oneAPI, strategy string, change func(*engine.Config)) *runner {
	t.Helper()
	r := newBookRunner(t, cfg, b, &api{reply: o.reply}, strategy, change)
	r.Values = r.Ledger.(engine.Values)
	return r
}

// P8: with INVOICES_ONE_PER one request at a time is in flight for each value, by key, and
// other values keep the senders busy.
func TestP8OneAtATimeForEachValue(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for _, idempotent := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/idempotent_%t", strategy, idempotent), func(t *testing.T) {
				t.Parallel()
				cfg, b := customers(t, 60, 12)
				o := newOneAPI(t, 12)
				o.wanted = 8 // other values keep the senders busy
				var g errgroup.Group
				var sent [3]int64
				for n := range sent {
					g.Go(func() error {
						s := onePerRunner(t, cfg, b, o, strategy, func(c *engine.Config) { c.Idempotent, c.Spread, c.Linger = idempotent, true, time.Minute }).Run(t.Context(), nil)
						sent[n] = s.Sent
						if s.ExitCode() != billing.ExitDone {
							t.Errorf("%+v, exit %d", s, s.ExitCode())
						}
						return nil
					})
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				if all := sent[0] + sent[1] + sent[2]; all != 60 || o.most < 8 {
					t.Errorf("%d sent, %d at once", all, o.most)
				}
			})
		}
	}
}

// P8: where there are values enough, all senders are busy.
func TestP8ManyValuesAtOnce(t *testing.T) {
	t.Parallel()
	cfg, b := customers(t, 300, 300)
	o := newOneAPI(t, 300)
	o.wanted = 100
	s := onePerRunner(t, cfg, b, o, "advisory", func(c *engine.Config) { c.Concurrency = 100 }).Run(t.Context(), nil)
	if s.ExitCode() != billing.ExitDone || s.Sent != 300 || o.most != 100 {
		t.Errorf("%+v, exit %d, %d at once", s, s.ExitCode(), o.most)
	}
}

// A doubt holds its own value back, and nothing else; what it holds back needs a person.
func TestP8ADoubtHoldsBackItsOwnValue(t *testing.T) {
	t.Parallel()
	cfg, b := customers(t, 40, 4)
	o := newOneAPI(t, 4)
	o.answers = func(id int) billing.Reply {
		if id == 5 {
			return billing.Reply{Outcome: billing.Unknown, Status: 500, Reason: "HTTP 500"}
		}
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}
	for night := range 2 {
		s := onePerRunner(t, cfg, b, o, "advisory", func(c *engine.Config) { c.Linger = time.Minute }).Run(t.Context(), nil)
		if s.ExitCode() != billing.ExitPerson || s.HeldByDoubt != 8 || s.Retry+s.HeldByOther != 0 || s.Elapsed > 30*time.Second {
			t.Errorf("night %d: %+v, exit %d", night, s, s.ExitCode())
		}
	}
	if n := query[int](t, cfg, "select count(*) from invoices where not pending"); n != 31 {
		t.Errorf("%d sent, want 31", n)
	}
}

// picky makes a request of all invoices but one.
type picky struct {
	*api
	but billing.InvoiceID
}

func (p picky) Render(inv billing.Invoice) (billing.Request, error) {
	if inv.ID == p.but {
		return brokenRenderer{}.Render(inv)
	}
	return p.api.Render(inv)
}

// One that is set aside holds nothing back; NULL is no value; one that somebody's lock
// keeps away holds back its own value.
func TestP8WhatHoldsAValueBack(t *testing.T) {
	t.Parallel()
	cfg, b := customers(t, 40, 4)
	execute(t, cfg, "alter table invoices alter customer drop not null; update invoices set customer = null where id in (10, 14, 18)")
	holder, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "begin; select pg_advisory_xact_lock(7)"); err != nil {
		t.Fatal(err)
	}
	r := newBookRunner(t, cfg, b, &api{}, "advisory", func(c *engine.Config) { c.Linger = 0 })
	r.Values, r.Renderer = r.Ledger.(engine.Values), picky{&api{}, "5"}
	s := r.Run(t.Context(), nil)
	// Customer 3 has 3, which is sent, 7, which is held, and eight behind it.
	if want := int64(40 - 1 - 9); s.Sent != want || s.ExitCode() != billing.ExitStopped || s.Unrendered != 1 {
		t.Errorf("%+v, exit %d; want %d sent", s, s.ExitCode(), want)
	}
	if _, err := holder.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	r = newBookRunner(t, cfg, b, &api{}, "advisory", nil)
	r.Values = r.Ledger.(engine.Values)
	if s := r.Run(t.Context(), nil); s.Sent != 10 {
		t.Errorf("afterwards: %+v", s)
	}
}
