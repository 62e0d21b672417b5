package advisory

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Key is a key in PostgreSQL's one-bigint advisory key space (manual, 9.28.10).
type Key int64

// ObjectKey forms the key of an object from the text of its id.
//
// Without a namespace, an integer is its own key. Everything else is hashed to
// 64 bits; two ids with one hash only wait for each other. A DBA computes the
// same by
//
//	select ('x' || encode(substr(sha256(convert_to($namespace, 'UTF8') || '\x00'::bytea || convert_to($id, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
//
// An integer must be written as PostgreSQL writes it: with two spellings, one
// object would have two keys, and its lock would lock nothing.
func ObjectKey(namespace, id string, integer bool) (Key, error) {
	if integer {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %q as an integer key: %w", id, err)
		}
		if canonical := strconv.FormatInt(n, 10); canonical != id {
			return 0, fmt.Errorf("read %q as an integer key: it is written %s", id, canonical)
		}
		if namespace == "" {
			return Key(n), nil
		}
	}
	sum := sha256.Sum256([]byte(namespace + "\x00" + id))
	return Key(binary.BigEndian.Uint64(sum[:8])), nil
}

// runClass is "bill" in ASCII: the first half of every run lock's key.
const runClass = 0x62696c6c

// RunKey is a key in the two-integer key space, which is disjoint from the
// one-bigint space of objects (manual, 9.28.10). pg_locks shows it as classid
// and objid, with objsubid 2 (manual, System Views, pg_locks).
type RunKey struct{ Class, Object int32 }

// valueClass is "bils": the first half of the values' keys.
const valueClass = 0x62696c73

// NewValueKey forms the key of a value of which a ledger has one request in flight at a
// time. A DBA computes the same, as pg_locks shows it, by
//
//	select x'62696c73'::int as classid, ('x' || encode(substr(sha256(convert_to($ledger, 'UTF8') || '\x00'::bytea || convert_to($value, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint as objid
func NewValueKey(ledger, value string) RunKey {
	sum := sha256.Sum256([]byte(ledger + "\x00" + value))
	return RunKey{Class: valueClass, Object: int32(binary.BigEndian.Uint32(sum[:4]))}
}

// rateClass is "bilr": the first half of the key of a ledger's rate.
const rateClass = 0x62696c72

// NewRateKey forms the key that the runners of a ledger hold while they share its rate
// (BILLING_RATE). A DBA computes the same, as pg_locks shows it, by
//
//	select x'62696c72'::int as classid, ('x' || encode(substr(sha256(convert_to($ledger, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint as objid
func NewRateKey(ledger string) RunKey {
	sum := sha256.Sum256([]byte(ledger))
	return RunKey{Class: rateClass, Object: int32(binary.BigEndian.Uint32(sum[:4]))}
}

// NewRunKey forms the key of the runs of one name: a constant, and the first
// four bytes of the name's SHA-256. A DBA computes the same, as pg_locks shows
// it, by
//
//	select x'62696c6c'::int as classid, ('x' || encode(substr(sha256(convert_to($name, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint as objid
func NewRunKey(name string) RunKey {
	sum := sha256.Sum256([]byte(name))
	return RunKey{Class: runClass, Object: int32(binary.BigEndian.Uint32(sum[:4]))}
}

// String is the key as pg_locks shows it: classid,objid, both unsigned.
func (k RunKey) String() string { return fmt.Sprintf("%d,%d", uint32(k.Class), uint32(k.Object)) }

// args is the key as the arguments of a lock function.
func (k RunKey) args() string { return fmt.Sprintf("%d, %d", k.Class, k.Object) }
