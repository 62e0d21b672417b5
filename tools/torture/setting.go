package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// setting is how one round is set up. It follows from the seed alone.
type setting struct {
	Seed        uint64        `json:"seed"`
	Strategy    string        `json:"lock_strategy"` // advisory, row, or mixed: a roll-out
	RunLock     string        `json:"run_lock"`
	Idempotent  bool          `json:"idempotent"`
	Lookup      bool          `json:"lookup"`
	Runners     int           `json:"runners"`
	Invoices    int           `json:"invoices"`
	Concurrency int           `json:"concurrency"`
	ClaimSize   int           `json:"claim_size"`
	Latency     time.Duration `json:"-"`
	FaultsFor   time.Duration `json:"-"` // how long faults strike
	Settings    []string      `json:"database_settings"`
	Ordinary    bool          `json:"ordinary"` // rows, settings and the look-up change, too
	OnePer      bool          `json:"one_per"`  // one request in flight for each of some accounts
	Failover    string        `json:"failover,omitempty"`
	Survivors   string        `json:"survivors,omitempty"` // of the fail-over
}

const billingTimeout = 2 * time.Second

// combinations are gone through in turn, so that a few rounds meet them all.
func newSetting(seed uint64) (setting, *rand.Rand) {
	rng := rand.New(rand.NewPCG(seed, seed))
	s := setting{
		Seed:       seed,
		Strategy:   []string{"advisory", "row"}[seed%2],
		Idempotent: seed/2%2 == 0,
		RunLock:    "shared", Runners: 2 + rng.IntN(3),
		Invoices: 400 + rng.IntN(1200), Concurrency: 2 + rng.IntN(10), ClaimSize: []int{5, 50, 500}[rng.IntN(3)],
		Latency: time.Duration(5+rng.IntN(60)) * time.Millisecond, FaultsFor: time.Duration(4+rng.IntN(6)) * time.Second,
	}
	s.Lookup = !s.Idempotent && rng.IntN(2) == 0
	s.Ordinary = seed/4%2 == 1
	s.OnePer = !s.Ordinary && seed/8%2 == 1
	if rng.IntN(4) == 0 {
		s.RunLock = "exclusive"
	}
	if rng.IntN(5) == 0 {
		s.Strategy = "mixed"
	}
	// What a DBA may have set: it must not end a claim, nor make the second look stale.
	for _, hostile := range []string{
		"default_transaction_isolation = 'repeatable read'", "idle_in_transaction_session_timeout = '1s'",
		"idle_session_timeout = '2s'", "statement_timeout = '3s'",
	} {
		if rng.IntN(3) == 0 {
			s.Settings = append(s.Settings, hostile)
		}
	}
	return s, rng
}

// strategyOf is a slot's.
func (s setting) strategyOf(slot int) string {
	if s.Strategy == "mixed" {
		return []string{"advisory", "row"}[slot%2]
	}
	return s.Strategy
}

// apiFaults is what the billing API does wrong, as billingfake.ParseFaults reads it.
func (s setting) apiFaults() string {
	return strings.Join([]string{
		"apply_then_reset=0.02", "apply_then_500=0.02", "apply_then_hang=0.004", "reset_before_apply=0.02",
		"slow_drip:3ms=0.01", "slow_drip:30ms=0.004", "redirect_302=0.01", "redirect_307=0.005",
		"garbage=0.01", "apply_then_garbage=0.01", "empty_reply=0.01", "truncated_body=0.01",
		"reply_429:1s=0.005", "reply_429_date:1s=0.003", "reply_503:1s=0.01", "reply_500=0.01", "reply_402=0.01",
	}, ",")
}

// again is how to run the round again.
func (s setting) again() string {
	rounds := "-rounds"
	if s.Failover != "" {
		rounds = "-failovers"
	}
	return fmt.Sprintf("go run ./tools/torture %s 1 -seed %d", rounds, s.Seed)
}

func (s setting) String() string {
	api := "keys"
	switch {
	case s.Lookup:
		api = "look-up"
	case !s.Idempotent:
		api = "no keys"
	}
	if s.Ordinary {
		api += ", ordinary changes"
	}
	if s.OnePer {
		api += ", one per account"
	}
	if s.Failover != "" {
		api += ", " + s.Failover + ", " + s.Survivors
	}
	return fmt.Sprintf("%s, %s, %s, %d runners × %d", s.Strategy, api, s.RunLock, s.Runners, s.Concurrency)
}
