// Package matrix tries every failpoint with every action, under both lock
// strategies, against an API with idempotency keys and one without: real
// runners, a real PostgreSQL, and the fake API's own account as the judge. It
// consists of tests; `make matrix` runs them and prints what came of them.
package matrix
