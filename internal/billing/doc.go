// Package billing is the domain of Billonce: its values and its pure decisions.
// An invoice's way through a run is that of its values:
//
//	Candidate → Claimed → Invoice → Request, Intent → Reply → Settlement → Settled
//
// The package imports nothing of this module: package engine below it is the run,
// and the packages beside engine are the edges.
//
// Why it is safe, in one paragraph: the ledger's committed row (the intent)
// exists before the first byte of a request, so a crash is never mistaken for
// "not sent yet". The invoice's lock is held while its request is in flight,
// so whoever holds the lock of a delivery that says `sending` knows that its
// sender is gone. What happens then is decided by one pure function, [Decide].
package billing
