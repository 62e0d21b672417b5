package billing

import (
	"strconv"
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

// KeyUse is what the attempts under a key have come to: the least of what each has. The
// ledger keeps the numbers.
type KeyUse int

const (
	// KeyDoubted: of one it was not known, even if it is by now. The zero value, so that
	// whatever was not thought of keeps the key from being replaced.
	KeyDoubted KeyUse = iota
	// KeyAnswered: it is known of each.
	KeyAnswered
	// KeyUnused: no byte of them has left.
	KeyUnused
)

// NewKey is the key of an invoice: a name-based UUID (RFC 9562, section 5.5) of the
// ledger and the invoice, never of the attempt.
func NewKey(ledger uuid.UUID, id InvoiceID) Key { return KeyVersion(ledger, id, 1) }

// KeyVersion is the key's version n, from 1. A zero byte stands in no id: PostgreSQL's
// texts have none.
func KeyVersion(ledger uuid.UUID, id InvoiceID, n int) Key {
	name := []byte(id)
	if n > 1 {
		name = strconv.AppendInt(append(name, 0), int64(n), 10)
	}
	return Key{Text: uuid.NewSHA1(ledger, name).String()}
}

// KeyOf is the key of an invoice: what its delivery says, whatever it was made of;
// without one, a new key.
func KeyOf(ledger uuid.UUID, inv Invoice) Key {
	if inv.Delivery != nil {
		return Key{Text: inv.Delivery.Key}
	}
	return NewKey(ledger, inv.ID)
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

// KeyLife is after how long the API has forgotten a key for certain: only then its age
// begins anew. In between the API may or may not know it.
func KeyLife(ttl time.Duration) time.Duration { return ttl + KeyMargin(ttl) }
