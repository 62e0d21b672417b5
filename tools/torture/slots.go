package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// keepRunning starts a runner in its slot whenever there is none, as a CronJob would.
func (r *round) keepRunning(slot int) error {
	for n := 1; r.faulty.Err() == nil; n++ {
		p, err := r.start(fmt.Sprintf("slot-%d-%d", slot, n), slot, "DATABASE_URL="+r.networks[slot].url)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.slots[slot] = p
		r.mu.Unlock()
		<-p.ended
		r.noteExit(r.faulty, p)
		_ = sleep(r.faulty, 50*time.Millisecond)
	}
	return nil
}

func (r *round) start(name string, slot int, environment ...string) (*runner, error) {
	env := append([]string{
		"BILLING_URL=" + r.judge.server.URL() + "/v1/invoices/{id}/send",
		fmt.Sprintf("BILLING_IDEMPOTENT=%t", r.Idempotent), "BILLING_TIMEOUT=" + billingTimeout.String(),
		"RUN_LOCK=" + r.RunLock, "LOCK_STRATEGY=" + r.strategyOf(slot), fmt.Sprintf("CONCURRENCY=%d", r.Concurrency),
		fmt.Sprintf("CLAIM_SIZE=%d", r.ClaimSize), "LINGER=" + lingerFor, "RUN_LOCK_WAIT=" + runLockWait,
		"GOTRACEBACK=all",
	}, environment...)
	if r.Lookup {
		env = append(env, "BILLING_LOOKUP_URL="+r.judge.server.URL()+"/v1/invoices/{id}", "BILLING_LOOKUP_AFTER=0s")
	}
	if r.OnePer {
		env = append(env, "INVOICES_ONE_PER=customer")
	}
	p, err := startRunner(r.testbed.batch, r.dir, name, append(env, r.ordinarySettings()...))
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

// awaitEnds waits for runners to end by themselves. One that doesn't has hung: it is told
// to say where.
func (r *round) awaitEnds(ctx context.Context, all ...*runner) error {
	within := settleWithin
	if r.Failover != "" {
		within *= 2 // they wait for the database, and for each other
	}
	late, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, p := range all {
		select {
		case <-p.ended:
			continue
		case <-late.Done():
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.violate("%s has not ended %s after the last fault (its goroutines are in its log)", p.name, within)
		p.signal(syscall.SIGQUIT)
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
		}
		p.kill()
	}
	return nil
}
