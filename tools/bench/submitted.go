package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/billonce/billonce/tools/lab"
)

// submitted shows what it costs a run with new invoices that 100,000 others are submitted,
// and not due to be looked up: the same run with and without them, in turn.
func (b bencher) submitted(ctx context.Context, out io.Writer, o options) error {
	const taken = `insert into billonce.deliveries (invoice_id, state, open_state, attempt, run_attempt, idempotency_key, run_id,
			first_sent_at, updated_at, deadline_at, due_at, submitted_at)
		select id, 'submitted', 'submitted', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now(), now() + interval '1 day', now()
		from (select id from invoices order by id limit %d) i`
	s := scenario{invoices: o.invoices, concurrency: 64, runners: 1}
	var all []contestant
	for _, beside := range []int{0, 100_000} {
		all = append(all, contestant{
			name: strconv.Itoa(beside), scenario: s,
			prepare: func(ctx context.Context) error {
				if err := b.Execute(ctx, "truncate invoices, billonce.deliveries, billonce.history"); err != nil {
					return err
				}
				if err := b.Seed(ctx, s.invoices+beside); err != nil {
					return err
				}
				return b.Execute(ctx, fmt.Sprintf(taken, beside), "vacuum analyze invoices", "vacuum analyze billonce.deliveries")
			},
			call: func(ctx context.Context, a lab.API) (used, error) {
				return b.run(s, "BILLING_OUTCOMES=202 -> submitted", "BILLING_LOOKUP_URL="+a.Lookup(), "LINGER=0s")(ctx, a)
			},
		})
	}
	costs, err := b.inTurn(ctx, o.rounds, all)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d new invoices, no latency, no keys\n\n%20s %s\n", o.invoices, "submitted beside", "seconds")
	for i, c := range all {
		fmt.Fprintf(out, "%20s %s\n", c.name, spread(each(costs[i], seconds)))
	}
	return nil
}
