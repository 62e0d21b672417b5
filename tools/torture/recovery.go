package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const recoverPoll = 5 * time.Millisecond

// recovered is what kills of one of three runners came to under one strategy.
type recovered struct {
	setting
	Times    int       `json:"kills"`
	InFlight int       `json:"in_flight"` // deliveries of the killed, over all kills
	Settled  durations `json:"until_its_deliveries_are_settled"`
	AllSent  durations `json:"until_all_is_sent"`
}

// recoveries kills one of three runners in mid-flight, again and again, under an API without
// faults.
func (s *testbed) recoveries(ctx context.Context, times int, out *printer) (violations int, err error) {
	for _, strategy := range []string{"advisory", "row"} {
		r := recovered{Times: times, setting: setting{
			Idempotent: true, Strategy: strategy, RunLock: "shared", Runners: 3, Invoices: 2000, Concurrency: 64, ClaimSize: 500,
			Latency: 20 * time.Millisecond,
		}}
		for len(r.Settled) < times {
			r.Seed++
			out.progress("%s: kill %d of %d", strategy, len(r.Settled)+1, times)
			rep, err := s.round(ctx, r.setting, fmt.Sprintf("%s-%d", strategy, r.Seed), out.progress, func(round *round) (*runner, error) { return round.recover(ctx, &r) })
			if err != nil {
				return violations, fmt.Errorf("recover under %s: %w; its logs are in %s", strategy, err, rep.Logs)
			}
			if len(rep.Violations) > 0 {
				violations += len(rep.Violations)
				out.round(rep)
			}
		}
		out.recovered(r)
	}
	return violations, nil
}

// recover notes nothing if the one that was killed had nothing in flight.
func (r *round) recover(ctx context.Context, into *recovered) (last *runner, err error) {
	r.judge.faultless.Store(true)
	for n := range r.Runners {
		_, err := r.start(fmt.Sprintf("runner-%d", n), n, "DATABASE_URL="+r.testbed.server.URL(r.database), fmt.Sprintf("JOB_COMPLETION_INDEX=%d", n))
		if err != nil {
			return nil, err
		}
	}
	if err := r.awaitRequests(ctx, r.Invoices/r.Runners); err != nil {
		return nil, err
	}
	if err := r.killAndWatch(ctx, r.all[0], into); err != nil {
		return nil, err
	}
	return r.all[1], r.awaitEnds(ctx, r.all...)
}

// awaitRequests waits for so many to have come to the API.
func (r *round) awaitRequests(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not yet %d requests", n))
	defer cancel()
	for r.judge.api.Requests() < n {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// sendingOf counts what an application has begun and not settled.
const sendingOf = `select count(*) from billonce.deliveries where state = 'sending' and run_id in (
	select run_id from billonce.runs where application = $1)`

// killAndWatch times from the kill on. The ledger is asked on a connection that is there
// already.
func (r *round) killAndWatch(ctx context.Context, target *runner, into *recovered) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not all is sent after %s", settleWithin))
	defer cancel()
	return r.testbed.askOnce(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
		began := time.Now()
		target.kill()
		var inFlight int
		until := func(query string, args ...any) (time.Duration, error) {
			for n := 1; ; {
				if err := conn.QueryRow(ctx, query, args...).Scan(&n); err != nil {
					return 0, err
				}
				inFlight = max(inFlight, n)
				if n == 0 {
					return time.Since(began), nil
				}
				if err := sleep(ctx, recoverPoll); err != nil {
					return 0, err
				}
			}
		}
		settled, err := until(sendingOf, target.application())
		if err != nil || inFlight == 0 {
			return err
		}
		into.InFlight += inFlight
		all, err := until(unsettled)
		into.Settled, into.AllSent = append(into.Settled, settled), append(into.AllSent, all)
		return err
	})
}

func (p *printer) recovered(r recovered) {
	if !p.words {
		p.json(r)
		return
	}
	p.progress("%s: one of %d runners killed, %d times, with %d deliveries in flight in all (%d invoices, %s latency, API with keys)\n"+
		"  until its deliveries are settled: %s\n  until all is sent: %s\n",
		r.Strategy, r.Runners, r.Times, r.InFlight, r.Invoices, r.Latency, r.Settled, r.AllSent)
}
