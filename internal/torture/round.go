package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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

// round is one database, one API, some runners, and a storm of faults.
type round struct {
	setting
	stage    *stage
	database string
	judge    *judge
	networks []*network
	dir      string
	faultLog *os.File

	storm    context.Context // ends as the faults do
	group    sync.WaitGroup
	watching context.Context
	dismiss  context.CancelFunc
	watchers sync.WaitGroup

	mu         sync.Mutex
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
func (s *stage) round(ctx context.Context, seed uint64, progress func(string, ...any)) (rep report, err error) {
	began := time.Now()
	c, rng := newSetting(seed)
	r := &round{
		setting: c, stage: s, slots: make([]*runner, c.Runners), silent: make([]bool, c.Runners),
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
	if r.judge, err = s.newJudge(r.database, c); err != nil {
		return rep, err
	}
	if err := r.weather(ctx, rng, progress); err != nil {
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
	if rep, err = r.verdict(ctx, last); err != nil {
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

// weather is the storm and the calm after it: when it returns, no runner is left.
func (r *round) weather(ctx context.Context, rng *rand.Rand, progress func(string, ...any)) error {
	for slot := range r.slots {
		n, err := r.stage.newNetwork(r.database, slot)
		if err != nil {
			return err
		}
		r.networks = append(r.networks, n)
		defer n.close()
	}
	storm, calm := context.WithTimeout(ctx, r.Storm)
	defer calm()
	r.storm = storm
	r.watching, r.dismiss = context.WithCancel(ctx)
	defer r.dismiss()
	for slot := range r.slots {
		r.background(func() error { return r.crew(slot) })
	}
	r.strikes(rng, progress)
	calm()
	r.judge.calm.Store(true)
	progress("seed %d: the storm is over, waiting for the runners", r.Seed)
	err := r.awaitEnds(ctx)
	r.group.Wait()
	r.dismiss() // what nobody is there to recover is the last run's
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

// crew starts a runner in its slot whenever there is none, as a CronJob would.
func (r *round) crew(slot int) error {
	for n := 1; r.storm.Err() == nil; n++ {
		p, err := r.start(fmt.Sprintf("slot-%d-%d", slot, n), slot, "RUN_LOCK="+r.RunLock,
			"DATABASE_URL="+r.networks[slot].url)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.slots[slot] = p
		r.mu.Unlock()
		<-p.ended
		r.noteExit(r.storm, p)
		_ = sleep(r.storm, 50*time.Millisecond)
	}
	return nil
}

func (r *round) start(name string, slot int, environment ...string) (*runner, error) {
	env := append([]string{
		"BILLING_URL=" + r.judge.server.URL() + "/v1/invoices/{id}/send",
		fmt.Sprintf("BILLING_IDEMPOTENT=%t", r.Idempotent), "BILLING_TIMEOUT=" + billingTimeout.String(),
		"LOCK_STRATEGY=" + r.strategyOf(slot), fmt.Sprintf("CONCURRENCY=%d", r.Concurrency),
		fmt.Sprintf("CLAIM_SIZE=%d", r.ClaimSize), "LINGER=" + lingerFor, "RUN_LOCK_WAIT=" + runLockWait,
		"GOTRACEBACK=all",
	}, environment...)
	if r.Lookup {
		env = append(env, "BILLING_LOOKUP_URL="+r.judge.server.URL()+"/v1/invoices/{id}")
	}
	p, err := startRunner(r.stage.batch, r.dir, name, env)
	if err == nil {
		r.mu.Lock()
		r.all = append(r.all, p)
		r.mu.Unlock()
	}
	return p, err
}

// runner is the slot's living one, or nil.
func (r *round) runner(slot int) *runner {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.slots[slot]; p != nil && p.alive() {
		return p
	}
	return nil
}

// strikes follows the seed's schedule of faults until the storm is over.
func (r *round) strikes(rng *rand.Rand, progress func(string, ...any)) {
	all := faults()
	began := time.Now()
	for n := 0; ; n++ {
		wait := time.Duration(50+rng.IntN(500)) * time.Millisecond
		f, slot, own := pick(all, rng), rng.IntN(r.Runners), rand.New(rand.NewPCG(r.Seed, uint64(n)))
		if sleep(r.storm, wait) != nil {
			return
		}
		progress("seed %d (%s): %.1f s, %d requests, %s", r.Seed, r.setting, time.Since(began).Seconds(), r.judge.api.Requests(), f.name)
		struck, err := f.strike(r.storm, r, slot, own)
		if err != nil {
			r.mu.Lock()
			r.fault = errors.Join(r.fault, err)
			r.mu.Unlock()
			return
		}
		if struck {
			r.noteStrike(f.name, slot)
		}
	}
}

func (r *round) noteStrike(name string, slot int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.struck[name]++
	fmt.Fprintf(r.faultLog, "%s %s slot-%d\n", time.Now().Format("15:04:05.000"), name, slot)
}

// breakNetwork has f break the slot's network, unless that is broken already.
func (r *round) breakNetwork(slot int, f func(*network) error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent[slot] {
		return false
	}
	r.silent[slot] = true
	r.background(func() error {
		err := f(r.networks[slot])
		r.mu.Lock()
		r.silent[slot] = false
		r.mu.Unlock()
		return err
	})
	return true
}

// awaitEnds waits for the runners to end by themselves. One that doesn't has
// hung: it is told to say where.
func (r *round) awaitEnds(ctx context.Context) error {
	late := time.NewTimer(settleWithin)
	defer late.Stop()
	r.mu.Lock()
	all := append([]*runner{}, r.all...)
	r.mu.Unlock()
	for _, p := range all {
		select {
		case <-p.ended:
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
		}
		r.hangs(p)
	}
	return nil
}

func (r *round) hangs(p *runner) {
	r.violate("%s has not ended %s after the last fault (its goroutines are in its log)", p.name, settleWithin)
	p.signal(syscall.SIGQUIT)
	_ = waitFor(p.ended, 5*time.Second)
	p.kill()
}

// lastRun is the one more run that must leave nothing unsettled.
func (r *round) lastRun(ctx context.Context) (*runner, error) {
	p, err := r.start("last", 0, "RUN_LOCK=shared", "DATABASE_URL="+r.stage.server.URL(r.database))
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

func waitFor(ended <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ended:
		return nil
	case <-t.C:
		return errors.New("too late")
	}
}

func (r *round) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

// unsettled counts the invoices that a run could still do something for.
const unsettled = `select count(*) from invoices i left join billonce.deliveries d on d.invoice_id = i.id
	where i.pending and (d.state is null or d.state in ('sending', 'retry'))`

// noteExit checks what a process said as it ended against what it left.
func (r *round) noteExit(ctx context.Context, p *runner) {
	code, last, raw := p.exit()
	finished := last.Summary != nil && last.Summary.Stopped == ""
	counted := code
	if code == "1" && last.Summary == nil {
		counted = "1, not begun" // it found no database to begin with
	}
	r.mu.Lock()
	r.exits[counted]++
	r.mu.Unlock()
	switch {
	case (code == "0" || code == "3") && finished:
		r.wantNothingLeft(ctx, p, code)
	case code == "0" && last.Summary == nil && !strings.HasPrefix(last.Message, saysHolder):
		r.violate("%s ended with 0 without a summary: %s", p.name, raw)
	case code == "2" || code == "5":
		r.violate("%s ended with %s: %s", p.name, code, raw)
	case counted == "1":
		r.mu.Lock()
		r.early = append(r.early, p.name+": "+raw)
		r.mu.Unlock()
	}
}

func (r *round) wantNothingLeft(ctx context.Context, p *runner, code string) {
	var left int
	err := r.stage.ask(context.WithoutCancel(ctx), r.database, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, unsettled).Scan(&left)
	})
	if err == nil && left > 0 {
		r.violate("%s ended with %s, as if nothing were left, and left %d invoices", p.name, code, left)
	}
}

// watchRecovery times how long a dead runner's deliveries stay `sending`.
func (r *round) watchRecovery(application string) {
	began := time.Now()
	r.watchers.Go(func() {
		had, err := r.stage.awaitRecovered(r.watching, r.database, application)
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
func (s *stage) awaitRecovered(ctx context.Context, database, application string) (had bool, err error) {
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
