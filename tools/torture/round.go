package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// settleWithin bounds how long runners may take to come to an end by
	// themselves once the faults are over.
	settleWithin = 90 * time.Second
	lingerFor    = "20s"
	runLockWait  = "15s"
)

// round is one database, one API, some runners, and faults.
type round struct {
	setting
	testbed  *testbed
	database string
	judge    *judge
	networks []*network
	dir      string
	faultLog *os.File
	progress func(string, ...any)

	faulty context.Context // ends as the faults do
	group  sync.WaitGroup

	mu         sync.Mutex
	release    atomic.Int32 // of the settings
	slots      []*runner
	silent     []bool // the slot's network is being broken
	all        []*runner
	struck     map[string]int
	exits      map[string]int
	lost       int // requests, by a fail-over
	violations []string
	early      []string // last words of runs that stopped early by themselves
	fault      error
}

// storm is a round of faults.
func (s *testbed) storm(ctx context.Context, seed uint64, progress func(string, ...any)) (report, error) {
	c, rng := newSetting(seed)
	return s.round(ctx, c, fmt.Sprintf("seed-%d", seed), progress, func(r *round) (*runner, error) {
		if err := r.runFaults(ctx, rng); err != nil {
			return nil, err
		}
		if err := r.troubledRun(ctx, rng); err != nil {
			return nil, err
		}
		return r.lastRun(ctx)
	})
}

// round has runners bill the invoices of a database, as play has it, whose last runner is to
// leave nothing unsettled, and checks what came of it. An error says that torture itself is
// broken.
func (s *testbed) round(ctx context.Context, c setting, name string, progress func(string, ...any), play func(*round) (last *runner, err error)) (rep report, err error) {
	began := time.Now()
	r := &round{
		setting: c, testbed: s, slots: make([]*runner, c.Runners), silent: make([]bool, c.Runners), progress: progress,
		struck: map[string]int{}, exits: map[string]int{}, dir: filepath.Join(s.dir, name),
	}
	rep.Logs = r.dir
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return rep, err
	}
	if r.faultLog, err = os.Create(filepath.Join(r.dir, "faults.log")); err != nil {
		return rep, err
	}
	defer func() { _ = r.faultLog.Close() }()
	if r.database, err = s.newDatabase(ctx, c.Invoices, c.Settings); err != nil {
		return rep, err
	}
	if c.OnePer {
		if err := s.execute(ctx, r.database, accounts); err != nil {
			return rep, err
		}
	}
	if r.judge, err = s.newJudge(r.database, c); err != nil {
		return rep, err
	}
	last, err := play(r)
	for _, p := range r.all {
		p.kill() // what a round that went wrong has left
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err = errors.Join(err, r.judge.close(closing)); err != nil {
		return rep, err
	}
	if rep, err = r.check(ctx, last); err != nil {
		return rep, err
	}
	rep.Seconds = time.Since(began).Seconds()
	if len(rep.Violations) > 0 {
		return rep, r.keepEvidence(ctx)
	}
	err = s.execute(ctx, "postgres", "drop database "+r.database+" with (force)")
	if s.keep {
		return rep, err
	}
	return rep, errors.Join(err, os.RemoveAll(r.dir))
}

// runFaults runs the slots while faults strike, and until they are over: when it returns, no runner is left.
func (r *round) runFaults(ctx context.Context, rng *rand.Rand) error {
	for slot := range r.slots {
		n, err := r.newNetwork(slot)
		if err != nil {
			return err
		}
		defer n.close()
	}
	faulty, stop := context.WithTimeout(ctx, r.FaultsFor)
	defer stop()
	r.faulty = faulty
	for slot := range r.slots {
		r.background(func() error { return r.keepRunning(slot) })
	}
	r.strikes(rng)
	stop()
	r.judge.faultless.Store(true)
	r.progress("seed %d: the faults are over, waiting for the runners", r.Seed)
	r.mu.Lock()
	all := append([]*runner{}, r.all...)
	r.mu.Unlock()
	err := r.awaitEnds(ctx, all...)
	r.group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(err, r.fault)
}

// background runs f until the round's processes have ended; its error ends the round.
func (r *round) background(f func() error) {
	r.group.Go(func() {
		if err := f(); err != nil {
			r.mu.Lock()
			r.fault = errors.Join(r.fault, err)
			r.mu.Unlock()
		}
	})
}

// lastRun is the one more run that must leave nothing unsettled. New invoices have come
// beside what earlier runs have left.
func (r *round) lastRun(ctx context.Context) (*runner, error) {
	r.judge.mended.Store(true)
	var left []string
	var anew []int64
	err := r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) (err error) {
		if left, err = collect[string](ctx, conn, "update billonce.deliveries set due_at = now() where state = 'retry' returning invoice_id::text"); err == nil {
			anew, err = collect[int64](ctx, conn, moreInvoices)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err := r.start("last", 0, "DATABASE_URL="+r.testbed.server.URL(r.database), "RUN_LOCK=shared")
	if err != nil {
		return nil, err
	}
	if err := r.awaitEnds(ctx, p); err != nil {
		return nil, err
	}
	r.noteExit(ctx, p)
	return p, r.checkOrder(ctx, p, left, anew)
}
