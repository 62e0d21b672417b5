package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// submitted shows what it costs a run with new invoices that 100,000 others are submitted,
// and not due to be looked up: the same run with and without them, in turn.
func (b bencher) submitted(ctx context.Context, out io.Writer, o options) error {
	const others = 100_000
	const taken = `insert into billonce.deliveries (invoice_id, state, open_state, attempt, run_attempt, idempotency_key, run_id,
			first_sent_at, updated_at, deadline_at, due_at, submitted_at)
		select id, 'submitted', 'submitted', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now(), now() + interval '1 day', now()
		from (select id from invoices order by id limit %d) i`
	seconds := map[int][]float64{}
	for n := range o.rounds + 1 {
		for _, beside := range []int{0, others} {
			s := scenario{Invoices: o.invoices, Concurrency: 64}
			if _, err := b.meter.Conn.Exec(ctx, "truncate invoices, billonce.deliveries, billonce.history"); err != nil {
				return err
			}
			if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices+beside)); err != nil {
				return err
			}
			for _, statement := range []string{fmt.Sprintf(taken, beside), "vacuum analyze invoices", "vacuum analyze billonce.deliveries", "checkpoint"} {
				if _, err := b.meter.Conn.Exec(ctx, statement); err != nil {
					return err
				}
			}
			u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
				return b.runAt(ctx, s, url, "BILLING_OUTCOMES=202 -> submitted", "BILLING_LOOKUP_URL="+strings.TrimSuffix(url, "/send"), "LINGER=0s")
			})
			if err != nil {
				return fmt.Errorf("beside %d: %w", beside, err)
			}
			if n > 0 { // the first one warms up
				seconds[beside] = append(seconds[beside], u.Seconds)
			}
		}
	}
	fmt.Fprintf(out, "%d new invoices, no latency, no keys\n\n%20s %s\n", o.invoices, "submitted beside", "seconds")
	for _, beside := range []int{0, others} {
		fmt.Fprintf(out, "%20d %s\n", beside, spread(seconds[beside]))
	}
	return nil
}
