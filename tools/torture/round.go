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

	faulty       context.Context // ends as the faults do
	group        sync.WaitGroup
	watching     context.Context
	stopWatching context.CancelFunc
	watchers     sync.WaitGroup

	mu         sync.Mutex
	release    atomic.Int32 // of the settings
	slots      []*runner
	silent     []bool // the slot's network is being broken
	all        []*runner
	struck     map[string]int
	exits      map[string]int
	recoveries []time.Duration
	violations []string
	early      []string // last words of runs that stopped early by themselves
	fault      error
}

// round runs one round. Its error says that torture itself is broken.
func (s *testbed) round(ctx context.Context, seed uint64, progress func(string, ...any)) (rep report, err error) {
	began := time.Now()
	c, rng := newSetting(seed)
	r := &round{
		setting: c, testbed: s, slots: make([]*runner, c.Runners), silent: make([]bool, c.Runners),
		struck: map[string]int{}, exits: map[string]int{}, dir: filepath.Join(s.dir, fmt.Sprintf("seed-%d", seed)),
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
	if err := r.runFaults(ctx, rng, progress); err != nil {
		return rep, errors.Join(err, r.abort(ctx))
	}
	if err := r.troubledRun(ctx, rng); err != nil {
		return rep, errors.Join(err, r.abort(ctx))
	}
	last, err := r.lastRun(ctx)
	if err != nil {
		return rep, errors.Join(err, r.abort(ctx))
	}
	closing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.judge.close(closing); err != nil {
		return rep, err
	}
	if rep, err = r.check(ctx, last); err != nil {
		return rep, err
	}
	rep.Seconds = time.Since(began).Seconds()
	if len(rep.Violations) > 0 {
		return rep, r.keepEvidence(ctx)
	}
	err = s.dropDatabase(ctx, r.database)
	if s.keep {
		return rep, err
	}
	return rep, errors.Join(err, os.RemoveAll(r.dir))
}

// abort ends what a round that went wrong has started.
func (r *round) abort(ctx context.Context) error {
	for _, p := range r.all {
		p.kill()
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return r.judge.close(closing)
}

// runFaults runs the slots while faults strike, and until they are over: when it returns, no runner is left.
func (r *round) runFaults(ctx context.Context, rng *rand.Rand, progress func(string, ...any)) error {
	for slot := range r.slots {
		n, err := r.testbed.newNetwork(r.database, slot)
		if err != nil {
			return err
		}
		r.networks = append(r.networks, n)
		defer n.close()
	}
	faulty, stop := context.WithTimeout(ctx, r.FaultsFor)
	defer stop()
	r.faulty = faulty
	r.watching, r.stopWatching = context.WithCancel(ctx)
	defer r.stopWatching()
	for slot := range r.slots {
		r.background(func() error { return r.keepRunning(slot) })
	}
	r.strikes(rng, progress)
	stop()
	r.judge.faultless.Store(true)
	progress("seed %d: the faults are over, waiting for the runners", r.Seed)
	err := r.awaitEnds(ctx)
	r.group.Wait()
	r.stopWatching() // what nobody is there to recover is the last run's
	r.watchers.Wait()
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

// lastRun is the one more run that must leave nothing unsettled.
func (r *round) lastRun(ctx context.Context) (*runner, error) {
	r.judge.mended.Store(true)
	p, err := r.start("last", 0, "RUN_LOCK=shared", "DATABASE_URL="+r.testbed.server.URL(r.database))
	if err != nil {
		return nil, err
	}
	if err := waitFor(p.ended, settleWithin); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.hangs(p)
	}
	r.noteExit(ctx, p)
	return p, nil
}
