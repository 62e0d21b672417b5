// Package engine is one run: its stages, and the ports that it works through.
//
// An invoice goes through each stage once, downwards, and what goes on is a value:
//
//	pass.go     → Candidate          what is pending, and worth a lock
//	claim.go    → Claimed → Invoice  locked, and looked at again
//	plan.go     → step               what is to be done about it; pure
//	ask.go      → Settlement         of what a look-up decides
//	intend.go   → attempt            committed to the ledger
//	send.go     → Reply → Settlement
//	settle.go   → Settled            written, counted; then the claim is released
//
// Permission comes the other way, and only through what a stage is given as it is
// made: the budget, the pace, the slots, the breaker, the run lock and the stop.
// No stage holds the run. [New] makes all of them, and alone knows all.
//
// The package knows neither PostgreSQL nor HTTP: the edges implement its ports.
package engine
