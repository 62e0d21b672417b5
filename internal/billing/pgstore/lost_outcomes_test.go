package pgstore_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// P12: whatever requests came to stands again after a fail-over that has lost it, with all
// that was written of it: accepted, taken, refused, in doubt, unmarked, to be tried again.
func TestP12WhateverItCameToStandsAgain(t *testing.T) {
	t.Parallel()
	const (
		invoices = 36
		closed   = `create function closed() returns trigger language plpgsql as $$ begin
			if new.id % 6 = 5 then raise exception 'closed period'; end if; return new; end $$;
			create trigger closed before update on invoices for each row execute function closed()`
		deliveries = `select string_agg(concat_ws(' ', invoice_id, state, attempt, run_attempt, case when state <> 'unmarked' then key_use end, doubtful, http_status, error, reply_id,
				open_state, due_at is not null, retry_since is not null, submitted_at is not null, encode(request_sha256, 'hex'), encode(lookup_sha256, 'hex')), e'\n' order by invoice_id)
			from billonce.deliveries where invoice_id <> $1`
		settled = "select count(*) from billonce.deliveries where state <> 'sending'"
	)
	p := newPair(t, invoices)
	execute(t, p.now, closed)
	var mu sync.Mutex
	var before string
	var last int64 // the invoice under way meanwhile
	n := 0
	a := &api{reply: func(m billing.Request, _ int) billing.Reply {
		id, err := strconv.ParseInt(string(m.InvoiceID), 10, 64)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		switch n++; n {
		case 2:
			p.cutOff()
		case invoices:
			for began := time.Now(); query[int](t, p.now, settled) < invoices-1; {
				if time.Since(began) > time.Minute {
					t.Error("not all is settled")
					break
				}
			}
			last, before = id, query[string](t, p.now, deliveries, id)
			p.failOver()
		}
		switch id % 6 {
		case 1:
			return billing.Reply{Outcome: billing.Unknown, Status: 500, Reason: "HTTP 500"}
		case 2:
			return billing.Reply{Outcome: billing.Refused, Status: 402, Reason: "HTTP 402"}
		case 3:
			return billing.Reply{Outcome: billing.Submitted, Status: 202, Answer: &billing.Answer{ID: "job_" + string(m.InvoiceID)}}
		case 4:
			return billing.Reply{Outcome: billing.NotSent, Reason: "refused the connection"}
		}
		return billing.Reply{Outcome: billing.Accepted, Status: 200, Answer: &billing.Answer{ID: "in_" + string(m.InvoiceID)}}
	}}
	r, lock, said := p.living(a, "advisory", func(c *engine.Config) {
		c.ClaimSize, c.Concurrency, c.Claims, c.MostClaims, c.MaxAttempts, c.Linger = 1, 1, 1, 1, 1, 0
		c.SubmittedFor = time.Hour
	})
	r.Run(t.Context(), lock)
	if after := query[string](t, p.now, deliveries, last); after != before {
		t.Errorf("before:\n%s\nafter:\n%s\n%s", before, after, said)
	}
	for id, n := range a.requests {
		if n != 1 {
			t.Errorf("invoice %s was sent %d times", id, n)
		}
	}
}
