package advisory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

type prover struct {
	name  string
	prove func(ctx context.Context, a, b *pgx.Conn) error
}

func provers() []prover {
	return []prover{{"transaction", ProveTransactionLocks}, {"session", ProveSessionLocks}}
}

func advisoryLocks(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return query[int](t, conn, `select count(*) from pg_locks where locktype = 'advisory'
		and database = (select oid from pg_database where datname = current_database())`)
}

func TestProofOnARealServer(t *testing.T) {
	t.Parallel()
	for _, p := range provers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			a, b := connect(t, db), connect(t, db)
			for range 3 {
				if err := p.prove(t.Context(), a, b); err != nil {
					t.Fatal(err)
				}
				if n := advisoryLocks(t, a); n != 0 {
					t.Errorf("%d locks are left behind", n)
				}
				if a.PgConn().TxStatus() != 'I' || b.PgConn().TxStatus() != 'I' {
					t.Error("a transaction is left open")
				}
			}
		})
	}
}

// Many programs start at the same moment: their proofs must not meet.
func TestProofsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	var wg sync.WaitGroup
	for i := range 24 {
		p := provers()[i%2]
		a, b := connect(t, db), connect(t, db)
		wg.Go(func() {
			for range 5 {
				if err := p.prove(t.Context(), a, b); err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
			}
		})
	}
	wg.Wait()
}

// Locks of two databases don't exclude each other: as of two servers behind one
// name.
func TestProofRefusesConnectionsToDifferentDatabases(t *testing.T) {
	t.Parallel()
	for _, p := range provers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			a, b := connect(t, newDB(t)), connect(t, newDB(t))
			refused(t, p.prove(t.Context(), a, b), "a second connection got the lock that the first one held")
			if n := advisoryLocks(t, a) + advisoryLocks(t, b); n != 0 {
				t.Errorf("%d locks are left behind", n)
			}
			if a.PgConn().TxStatus() != 'I' || b.PgConn().TxStatus() != 'I' {
				t.Error("a transaction is left open")
			}
		})
	}
}

// One connection is not two: a session can take its own lock again.
func TestProofRefusesOneConnectionTwice(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	refused(t, ProveSessionLocks(t.Context(), conn, conn), "")
	if n := advisoryLocks(t, conn); n != 0 {
		t.Errorf("%d locks are left behind", n)
	}
}

// Some PostgreSQL-compatible databases have the functions, and no locks.
func TestProofRefusesFunctionsThatOnlyAnswer(t *testing.T) {
	t.Parallel()
	for _, p := range provers() {
		for answer, seen := range map[string]string{
			"true":  "a second connection got the lock that the first one held",
			"false": "a lock that nobody holds could not be taken",
		} {
			t.Run(p.name+" answers "+answer, func(t *testing.T) {
				t.Parallel()
				db := newDB(t)
				a, b := connect(t, db), connect(t, db)
				for _, name := range []string{"pg_try_advisory_lock", "pg_try_advisory_xact_lock"} {
					exec(t, a, "create function public."+name+"(integer, integer) returns boolean language sql as 'select "+answer+"'")
				}
				shadow(t, a, b)
				refused(t, p.prove(t.Context(), a, b), seen)
			})
		}
	}
}

// shadow lets functions of public stand before those of the system.
func shadow(t testing.TB, conns ...*pgx.Conn) {
	t.Helper()
	for _, conn := range conns {
		exec(t, conn, "set search_path = public, pg_catalog")
	}
}

// A lock that is never freed stops everybody after the first.
func TestProofRefusesALockThatStays(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	a, b := connect(t, db), connect(t, db)
	// Taken for the session where it is asked for the transaction.
	exec(t, a, "create function public.pg_try_advisory_xact_lock(integer, integer) returns boolean language sql as 'select pg_try_advisory_lock($1, $2)'")
	shadow(t, a, b)
	refused(t, ProveTransactionLocks(t.Context(), a, b), "still held after the connection that held it had freed it")

	exec(t, a, "create function public.pg_advisory_unlock(integer, integer) returns boolean language sql as 'select false'")
	refused(t, ProveSessionLocks(t.Context(), a, b), "could not free it")
}

func refused(t testing.TB, err error, seen string) {
	t.Helper()
	var unsafe *UnsafeError
	if !errors.As(err, &unsafe) {
		t.Fatalf("got %v, want an *UnsafeError", err)
	}
	if !strings.Contains(unsafe.Seen, seen) {
		t.Errorf("seen: %q, want %q", unsafe.Seen, seen)
	}
	for _, part := range []string{unsafe.Seen, unsafe.Why, unsafe.Remedy} {
		if part == "" || strings.HasSuffix(part, ".") || !strings.Contains(err.Error(), part+".") {
			t.Errorf("%q is no sentence of %q", part, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a paragraph: %q", err)
	}
}

func TestProofSaysWhatBroke(t *testing.T) {
	t.Parallel()
	for _, p := range provers() {
		db := newDB(t)
		a, b := connect(t, db), connect(t, db)
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := p.prove(t.Context(), a, b)
		var unsafe *UnsafeError
		if err == nil || errors.As(err, &unsafe) {
			t.Errorf("%s: got %v, want a plain error: nothing was proved either way", p.name, err)
		}
		if n := advisoryLocks(t, a); n != 0 || a.PgConn().TxStatus() != 'I' {
			t.Errorf("%s: %d locks and state %c are left behind", p.name, n, a.PgConn().TxStatus())
		}
	}
}

func TestRefuseStandby(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	conn := connect(t, db)
	if err := RefuseStandby(t.Context(), conn); err != nil {
		t.Fatalf("a primary: %v", err)
	}
	exec(t, conn, "set default_transaction_read_only = on")
	refused(t, RefuseStandby(t.Context(), conn), "transaction_read_only is on")

	exec(t, conn, "set default_transaction_read_only = off")
	exec(t, conn, "create function public.pg_is_in_recovery() returns boolean language sql as 'select true'")
	shadow(t, conn)
	refused(t, RefuseStandby(t.Context(), conn), "pg_is_in_recovery() is true")
}
