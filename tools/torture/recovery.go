package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	recoveryRunners  = 3
	recoveryInvoices = 2000
	recoveryLatency  = 20 * time.Millisecond
)

// recovered is what kills of one of three runners came to under one strategy.
type recovered struct {
	Strategy string    `json:"lock_strategy"`
	Times    int       `json:"kills"`
	InFlight int       `json:"in_flight"` // deliveries of the killed, over all kills
	Settled  durations `json:"until_its_deliveries_are_settled"`
	AllSent  durations `json:"until_all_is_sent"`
}

// recoveries kills one of three runners in mid-flight, again and again.
func (s *testbed) recoveries(ctx context.Context, times int, out *printer) error {
	for _, strategy := range []string{"advisory", "row"} {
		r := recovered{Strategy: strategy, Times: times}
		for n := 0; n < times; {
			out.progress("%s: kill %d of %d", strategy, n+1, times)
			had, err := s.recoverOnce(ctx, strategy, &r)
			if err != nil {
				return fmt.Errorf("recover under %s: %w", strategy, err)
			}
			if had {
				n++
			}
		}
		out.recovered(r)
	}
	return nil
}

// recoverOnce is false if the one that was killed had nothing in flight.
func (s *testbed) recoverOnce(ctx context.Context, strategy string, r *recovered) (had bool, err error) {
	database, err := s.newDatabase(ctx, recoveryInvoices, nil)
	if err != nil {
		return false, err
	}
	judge, err := s.newJudge(database, setting{Idempotent: true, Latency: recoveryLatency})
	if err != nil {
		return false, err
	}
	judge.faultless.Store(true)
	defer func() { err = errors.Join(err, judge.close(ctx), s.dropDatabase(ctx, database)) }()
	dir := filepath.Join(s.dir, database)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return false, err
	}
	var runners []*runner
	defer func() {
		for _, p := range runners {
			p.kill()
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	for n := range recoveryRunners {
		p, err := startRunner(s.batch, dir, fmt.Sprintf("runner-%d", n), []string{
			"DATABASE_URL=" + s.server.URL(database), "BILLING_URL=" + judge.server.URL() + "/v1/invoices/{id}/send",
			"BILLING_IDEMPOTENT=true", "RUN_LOCK=shared", "LOCK_STRATEGY=" + strategy, fmt.Sprintf("JOB_COMPLETION_INDEX=%d", n),
		})
		if err != nil {
			return false, err
		}
		runners = append(runners, p)
	}
	for judge.api.Requests() < recoveryInvoices/recoveryRunners {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return false, err
		}
	}
	return s.killAndWatch(ctx, database, runners[0], r)
}

// killAndWatch times from the kill on. The ledger is asked on connections that
// are there already.
func (s *testbed) killAndWatch(ctx context.Context, database string, target *runner, r *recovered) (had bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not all is sent after %s", settleWithin))
	defer cancel()
	err = s.askOnce(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
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
		had, r.InFlight = true, r.InFlight+inFlight
		all, err := until(unsettled)
		r.Settled, r.AllSent = append(r.Settled, settled), append(r.AllSent, all)
		return err
	})
	return had, err
}

func (p *printer) recovered(r recovered) {
	if !p.words {
		p.json(r)
		return
	}
	p.progress("%s: one of %d runners killed, %d times, with %d deliveries in flight in all (%d invoices, %s latency, API with keys)\n"+
		"  until its deliveries are settled: %s\n  until all is sent: %s\n",
		r.Strategy, recoveryRunners, r.Times, r.InFlight, recoveryInvoices, recoveryLatency, r.Settled, r.AllSent)
}

// watchRecovery times how long a dead runner's deliveries stay `sending`.
func (r *round) watchRecovery(application string) {
	began := time.Now()
	r.watchers.Go(func() {
		had, err := r.testbed.awaitRecovered(r.watching, r.database, application)
		if err != nil || !had {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.recoveries = append(r.recoveries, time.Since(began))
	})
}

// sendingOf counts what an application has begun and not settled.
const sendingOf = `select count(*) from billonce.deliveries where state = 'sending' and run_id in (
	select run_id from billonce.runs where application = $1)`

const recoverPoll = 5 * time.Millisecond

// awaitRecovered returns once nothing of the application's is `sending`, and
// whether anything was.
func (s *testbed) awaitRecovered(ctx context.Context, database, application string) (had bool, err error) {
	err = s.ask(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
		for {
			var n int
			err := conn.QueryRow(ctx, sendingOf, application).Scan(&n)
			if err != nil || n == 0 {
				return err
			}
			had = true
			if err := sleep(ctx, recoverPoll); err != nil {
				return err
			}
		}
	})
	return had, err
}
