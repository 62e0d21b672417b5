package engine

import (
	"time"

	"github.com/google/uuid"
)

// Config is how a run behaves. Zero durations and counts mean "none".
type Config struct {
	RunID     uuid.UUID
	Forgotten time.Time // since when the database may have forgotten requests: what looks untried is a repeat; zero: it has forgotten none
	LedgerID  uuid.UUID // idempotency keys are derived from it

	Claims      int     // open at the same time, each on a connection of its own
	MostClaims  int     // the same, where slow requests keep claims open
	ClaimSize   int     // invoices a claim, at most
	Concurrency int     // requests in flight, at most; without keys: begun and not yet settled
	SettlesLate bool    // a claim's outcomes are written only as it ends (row)
	Spread      bool    // other runners share the run: start at a place of our own
	Place       float64 // where among the ids the first pass of such a run starts, from 0 to below 1

	Idempotent    bool          // the API honours idempotency keys
	KeyTTL        time.Duration // how long it remembers one
	HasLookup     bool          // it can be asked whether it acted
	LookUpByReply bool          // only about what it has given an id in its reply: what is submitted
	SubmittedFor  time.Duration // how long it may take to say what became of what it has taken
	LookUpAfter   time.Duration // how long past its deadline a request may still arrive: no look-up before
	LookUpBy      string        // a fingerprint of the settings that a look-up is made by
	Timeout       time.Duration // hard deadline of one request
	MaxAttempts   int           // of one invoice in this run
	Rate          float64       // requests a second
	Breaker       int           // consecutive outcomes neither accepted nor refused that stop the run

	Deadline  time.Duration // stop claiming after this
	Limit     int           // requests in all
	Canary    int           // requests to be sent first: the rest follows once one of them was accepted
	WantsID   bool          // only a reply that has an id counts for the canary
	NotBefore time.Duration // the API has asked earlier runs to wait so long, from now: one request goes first
	Linger    time.Duration // how long to wait for what others hold or what is not yet due
	Drain     time.Duration // how long requests in flight may take once the run is told to stop
}
