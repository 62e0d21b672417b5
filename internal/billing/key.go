package billing

import (
	"time"

	"github.com/google/uuid"
)

// Key is an invoice's idempotency key, and how old it is. Ages are measured by
// the database's clock, as of a moment of ours.
type Key struct {
	Text string
	used bool
	age  time.Duration
	asOf time.Time
}

// NewKey is the key of an invoice: a name-based UUID (RFC 9562, section 5.5) of the
// ledger and the invoice, never of the attempt.
func NewKey(ledger uuid.UUID, id InvoiceID) Key {
	return Key{Text: uuid.NewSHA1(ledger, []byte(id)).String()}
}

// Used is the same key once an attempt under it may have reached the API.
func (k Key) Used(age time.Duration, asOf time.Time) Key {
	k.used, k.age, k.asOf = true, age, asOf
	return k
}

// Age is how old the key is; one that was never used has none.
func (k Key) Age(now time.Time) time.Duration {
	if !k.used {
		return 0
	}
	return k.age + now.Sub(k.asOf)
}

// KeyMargin is how long before the end of its life an idempotency key is no
// longer trusted: clocks differ, and an intent may wait for its turn, though
// never longer than half of that (the engine's terms).
func KeyMargin(ttl time.Duration) time.Duration {
	return min(ttl/10, 30*time.Minute)
}

// KeyAlive says whether a repeat under a key of this age is still recognised
// by the API.
func KeyAlive(age, ttl time.Duration) bool {
	return age < ttl-KeyMargin(ttl)
}
