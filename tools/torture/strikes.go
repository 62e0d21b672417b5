package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// strikes follows the seed's schedule of faults until the faults are over.
func (r *round) strikes(rng *rand.Rand) {
	all := faults()
	if r.Ordinary {
		all = append(all, ordinaryFaults()...)
	}
	began := time.Now()
	for n := 0; ; n++ {
		wait := time.Duration(50+rng.IntN(500)) * time.Millisecond
		f, slot, own := pick(all, rng), rng.IntN(r.Runners), rand.New(rand.NewPCG(r.Seed, uint64(n)))
		if sleep(r.faulty, wait) != nil {
			return
		}
		r.progress("seed %d (%s): %.1f s, %d requests, %s", r.Seed, r.setting, time.Since(began).Seconds(), r.judge.api.Requests(), f.name)
		struck, err := f.strike(r.faulty, r, slot, own)
		if err != nil {
			r.background(func() error { return err })
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
