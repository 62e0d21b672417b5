package advisory

import (
	"math"
	"testing"
)

func TestObjectKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		namespace, id string
		want          Key
	}{
		{"", "0", 0},
		{"", "42", 42},
		{"", "-42", -42},
		{"", "9223372036854775807", math.MaxInt64},
		{"", "-9223372036854775808", math.MinInt64},
	} {
		if got, err := ObjectKey(c.namespace, c.id, true); err != nil || got != c.want {
			t.Errorf("ObjectKey(%q, %q, true) = %d, %v; want %d", c.namespace, c.id, got, err, c.want)
		}
	}
	for _, id := range []string{"", "x", "+7", "007", "-0", " 7", "7 ", "1e3", "0x7", "1_000", "9223372036854775808"} {
		for _, namespace := range []string{"", "book"} {
			if got, err := ObjectKey(namespace, id, true); err == nil {
				t.Errorf("ObjectKey(%q, %q, true) = %d; want an error: one object would have two keys", namespace, id, got)
			}
		}
	}
}

// Of every two of these, the keys differ: a namespace is a space of its own,
// and where it ends is part of the hash.
func TestObjectKeySeparatesNamespaces(t *testing.T) {
	t.Parallel()
	seen := map[Key]string{}
	for _, c := range []struct {
		namespace, id string
		integer       bool
	}{
		{"", "42", true},
		{"", "42", false},
		{"a", "42", true},
		{"b", "42", true},
		{"a4", "2", true},
		{"", "a42", false},
		{"ab", "c", false},
		{"a", "bc", false},
	} {
		key, err := ObjectKey(c.namespace, c.id, c.integer)
		if err != nil {
			t.Fatal(err)
		}
		name := c.namespace + "/" + c.id
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same key %d", name, other, key)
		}
		seen[key] = name
	}
}

// The SQL in the comments of ObjectKey, NewRunKey and NewRateKey computes the same.
func TestKeysAreWhatADBAComputes(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	for _, c := range []struct{ namespace, id string }{
		{"", "0d5e1a2c-7b1f-4b0e-9a51-3f6f3c1f9f10"},
		{"book", "42"},
		{"Bücher", "Rechnung № 7"},
	} {
		want := query[int64](t, conn, `select ('x' || encode(substr(sha256(convert_to($1, 'UTF8') || '\x00'::bytea || convert_to($2, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint`, c.namespace, c.id)
		if got, err := ObjectKey(c.namespace, c.id, false); err != nil || int64(got) != want {
			t.Errorf("ObjectKey(%q, %q) = %d, %v; PostgreSQL computes %d", c.namespace, c.id, got, err, want)
		}
	}
	for _, name := range []string{"invoices", "", "Läufe"} {
		want := query[string](t, conn, `select x'62696c6c'::int || ',' || ('x' || encode(substr(sha256(convert_to($1, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint`, name)
		if got := NewRunKey(name).String(); got != want {
			t.Errorf("NewRunKey(%q) = %s; PostgreSQL computes %s", name, got, want)
		}
		want = query[string](t, conn, `select x'62696c72'::int || ',' || ('x' || encode(substr(sha256(convert_to($1, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint`, name)
		if got := NewRateKey(name).String(); got != want {
			t.Errorf("NewRateKey(%q) = %s; PostgreSQL computes %s", name, got, want)
		}
	}
}

// Half of all names have a negative key, and pg_locks shows it unsigned.
func TestRunKeysOfAnySignCanBeLocked(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	for _, key := range []RunKey{{math.MinInt32, math.MinInt32}, {-1, 1}, {math.MaxInt32, math.MaxInt32}} {
		if got, err := askBool(t.Context(), conn, "select pg_try_advisory_lock("+key.args()+")"); err != nil || !got {
			t.Errorf("lock %s: %t, %v", key, got, err)
		}
		holders, err := Holders(t.Context(), conn, key)
		if err != nil || len(holders) != 1 || holders[0].PID != conn.PgConn().PID() {
			t.Errorf("holders of %s: %v, %v", key, holders, err)
		}
	}
}
