package advisory

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Key is a key in PostgreSQL's one-bigint key space.
type Key int64

// ObjectKey forms the key of an object. Without a namespace, an id that is an
// integer is its own key. Everything else is hashed, so that two ids with one
// hash only wait for each other. A DBA computes the same by
//
//	select ('x' || encode(substr(sha256(convert_to($namespace, 'UTF8') || '\x00' || convert_to($id, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
func ObjectKey(namespace, id string, integer bool) (Key, error) {
	if integer && namespace == "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %q as an integer key: %w", id, err)
		}
		return Key(n), nil
	}
	sum := sha256.Sum256([]byte(namespace + "\x00" + id))
	return Key(binary.BigEndian.Uint64(sum[:8])), nil
}

// runClass is "bill" in ASCII: the first half of every run lock's key.
const runClass = 0x62696c6c

// RunKey is a key in the two-integer key space, which is disjoint from the
// one-bigint space of objects. pg_locks shows it as classid and objid, with
// objsubid 2 (manual, 54.13).
type RunKey struct{ Class, Object int32 }

// NewRunKey forms the key of the runs of one name: a constant, and the first
// four bytes of the name's SHA-256.
func NewRunKey(name string) RunKey {
	sum := sha256.Sum256([]byte(name))
	return RunKey{Class: runClass, Object: int32(binary.BigEndian.Uint32(sum[:4]))}
}

// String is the key as pg_locks shows it: classid,objid, both unsigned.
func (k RunKey) String() string { return fmt.Sprintf("%d,%d", uint32(k.Class), uint32(k.Object)) }
