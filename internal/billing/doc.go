// Package billing is the domain of Billonce: invoices, their deliveries, and
// the run that sends each of them once.
//
// Data flows one way: scan → claim → intent → send → settle → release. The
// package knows neither PostgreSQL nor HTTP; the edges implement the small
// interfaces in ports.go.
//
// Why it is safe, in one paragraph: the ledger's committed row (the intent)
// exists before the first byte of a request, so a crash is never mistaken for
// "not sent yet". The invoice's lock is held while its request is in flight,
// so whoever holds the lock of a delivery that says `sending` knows that its
// sender is gone. What happens then is decided by one pure function, [Decide].
package billing
