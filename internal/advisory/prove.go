package advisory

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// UnsafeError says that locks don't lock here, or that nothing can be relied on.
type UnsafeError struct{ Seen, Why, Remedy string }

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("refused, nothing was touched: %s. %s. %s", e.Seen, e.Why, e.Remedy)
}

// proofClass is "prov" in ASCII: proofs use the two-integer key space under a
// class of their own, with a random second half, so that they meet neither
// objects nor runs nor each other.
const proofClass = 0x70726f76

const whyItBillsTwice = "Two runners would both believe that they alone have an invoice"

// RefuseStandby refuses a server in recovery: its advisory locks are its own,
// while the primary's runners hold others.
func RefuseStandby(ctx context.Context, conn *pgx.Conn) error {
	var recovery bool
	if err := conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&recovery); err != nil {
		return fmt.Errorf("ask whether the server is a standby: %w", err)
	}
	if recovery {
		return &UnsafeError{
			Seen:   "the server is a standby (pg_is_in_recovery() is true)",
			Why:    "Locks taken here do not exclude runners on the primary, and nothing can be written",
			Remedy: "Let DATABASE_URL lead to the primary, for example with target_session_attrs=read-write",
		}
	}
	return nil
}

// ProveTransactionLocks shows that a transaction lock taken by a keeps b out,
// and that it is free once a's transaction has ended.
func ProveTransactionLocks(ctx context.Context, a, b *pgx.Conn) error {
	p := proof{
		a: a, b: b, key: rand.Int32(),
		begin: "begin isolation level read committed read write", lock: "pg_try_advisory_xact_lock", end: "commit",
		what:   "a transaction advisory lock",
		remedy: "Let DATABASE_URL lead to PostgreSQL itself, or through a pooler in session or transaction mode",
	}
	return p.run(ctx)
}

// ProveSessionLocks shows the same for session locks, and that a's statements
// stay on one backend. It leaves no lock behind.
func ProveSessionLocks(ctx context.Context, a, b *pgx.Conn) error {
	p := proof{
		a: a, b: b, key: rand.Int32(),
		lock: "pg_try_advisory_lock", end: "select pg_advisory_unlock_all()",
		what:   "a session advisory lock",
		remedy: "Let LOCK_DATABASE_URL lead past the pooler to PostgreSQL itself, or set RUN_LOCK=off",
	}
	return p.run(ctx)
}

type proof struct {
	a, b             *pgx.Conn
	key              int32
	begin, lock, end string
	what, remedy     string
}

func (p *proof) run(ctx context.Context) (err error) {
	for _, step := range []func(context.Context) error{p.locks, p.keepsOut, p.frees} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *proof) locks(ctx context.Context) error {
	if err := p.exec(ctx, p.a, p.begin); err != nil {
		return err
	}
	before := p.backend(ctx, p.a)
	got, err := p.try(ctx, p.a)
	if err != nil {
		return err
	}
	if !got {
		return p.unsafe("a free lock could not be taken")
	}
	if after := p.backend(ctx, p.a); before != after {
		return p.unsafe(fmt.Sprintf("the statements of one connection ran in two server processes (%d and %d)", before, after))
	}
	return nil
}

func (p *proof) keepsOut(ctx context.Context) error {
	if err := p.exec(ctx, p.b, p.begin); err != nil {
		return err
	}
	got, err := p.try(ctx, p.b)
	if err != nil {
		return err
	}
	if err := p.exec(ctx, p.b, p.end); err != nil {
		return err
	}
	if got {
		return p.unsafe("a second connection got the lock that the first one held")
	}
	return nil
}

func (p *proof) frees(ctx context.Context) error {
	if err := p.exec(ctx, p.a, p.end); err != nil {
		return err
	}
	if err := p.exec(ctx, p.b, p.begin); err != nil {
		return err
	}
	got, err := p.try(ctx, p.b)
	if err != nil {
		return err
	}
	if err := p.exec(ctx, p.b, p.end); err != nil {
		return err
	}
	if !got {
		return p.unsafe("the lock was still held after the connection that held it had freed it")
	}
	return nil
}

func (p *proof) exec(ctx context.Context, conn *pgx.Conn, sql string) error {
	if sql == "" {
		return nil
	}
	if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
		return fmt.Errorf("prove that %s locks: %s: %w", p.what, sql, err)
	}
	return nil
}

func (p *proof) try(ctx context.Context, conn *pgx.Conn) (got bool, err error) {
	// The simple protocol: a pooler that can't keep prepared statements must not
	// hide behind an error what the proof is about.
	err = conn.QueryRow(ctx, fmt.Sprintf("select %s($1, $2)", p.lock), pgx.QueryExecModeSimpleProtocol, int32(proofClass), p.key).Scan(&got)
	if err != nil {
		return false, fmt.Errorf("prove that %s locks: %w", p.what, err)
	}
	return got, nil
}

// backend is the server process behind a connection, 0 if it can't be told.
func (p *proof) backend(ctx context.Context, conn *pgx.Conn) (pid int32) {
	_ = conn.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid
}

func (p *proof) unsafe(seen string) error {
	return &UnsafeError{Seen: fmt.Sprintf("%s does not lock here: %s", p.what, seen), Why: whyItBillsTwice, Remedy: p.remedy}
}
