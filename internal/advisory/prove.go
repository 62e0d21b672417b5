package advisory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
)

// proofClass is "prov" in ASCII. Proofs use the two-integer key space under a
// class of their own, with a random second half: so they meet neither objects,
// which are bigints, nor runs, nor each other.
const proofClass = 0x70726f76

// ProveTransactionLocks shows that a transaction lock which a holds keeps b
// out, and that it is free once a's transaction has ended. Both are connections
// over the very path that will be used, without an open transaction. It returns
// an *UnsafeError if the lock did not lock.
func ProveTransactionLocks(ctx context.Context, a, b *pgx.Conn) error {
	p := proof{
		a: a, b: b, key: RunKey{proofClass, int32(rand.Uint32())},
		what: "a transaction advisory lock", try: "pg_try_advisory_xact_lock",
		remedy: "Let DATABASE_URL lead to PostgreSQL itself, or through a pooler in transaction or session mode",
	}
	return p.run(ctx)
}

// ProveSessionLocks shows the same of a session lock, and that a's statements
// stay in one server process, also while b is in a transaction. A pooler in
// transaction or statement mode fails it. It leaves no lock behind.
func ProveSessionLocks(ctx context.Context, a, b *pgx.Conn) error {
	p := proof{
		a: a, b: b, key: RunKey{proofClass, int32(rand.Uint32())},
		what: "a session advisory lock", try: "pg_try_advisory_lock", session: true,
		remedy: "Let LOCK_DATABASE_URL lead past the pooler to PostgreSQL itself, or set RUN_LOCK=off",
	}
	return p.run(ctx)
}

type proof struct {
	a, b             *pgx.Conn
	key              RunKey
	session          bool
	what, try        string
	remedy           string
	home             string // the server process in which a took the lock
	aLocked, bLocked bool   // what is to be undone
}

// poolerRounds is how often a proof is repeated behind a pooler. There, other
// clients can come between two steps by chance, so that a pooler that moves
// sessions looks for once as if it did not.
const poolerRounds = 5

func (p *proof) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("prove that %s locks: %w", p.what, context.Cause(ctx))
	}
	pooled, err := Pooled(ctx, p.a)
	rounds := 1
	if pooled {
		rounds = poolerRounds
	}
	for round := 0; round < rounds && err == nil; round++ {
		err = p.round(ctx)
	}
	var unsafe *UnsafeError
	if err != nil && !errors.As(err, &unsafe) {
		return fmt.Errorf("prove that %s locks: %w", p.what, err)
	}
	return err
}

func (p *proof) round(ctx context.Context) error {
	for _, step := range []func(context.Context) error{p.lockByA, p.keepOutB, p.freeByA, p.lockByB} {
		if err := step(ctx); err != nil {
			p.undo(ctx)
			return err
		}
	}
	return nil
}

func (p *proof) lockByA(ctx context.Context) (err error) {
	if !p.session {
		if err := p.begin(ctx, p.a); err != nil {
			return err
		}
	}
	if p.home, err = ask(ctx, p.a, backend); err != nil {
		return err
	}
	if p.aLocked, err = p.tryLock(ctx, p.a); err != nil {
		return err
	}
	if !p.aLocked {
		return p.unsafe("a lock that nobody holds could not be taken")
	}
	return p.stayed(ctx)
}

// keepOutB asks inside a transaction, which keeps b's server process to b. A
// pooler that gave it a's is found out, since a session can take its own lock
// again; one that gives a another meanwhile, too.
func (p *proof) keepOutB(ctx context.Context) (err error) {
	if err := p.begin(ctx, p.b); err != nil {
		return err
	}
	if p.bLocked, err = p.tryLock(ctx, p.b); err != nil {
		return err
	}
	if p.bLocked {
		return p.unsafe("a second connection got the lock that the first one held")
	}
	if err := p.stayed(ctx); err != nil {
		return err
	}
	if _, err := simple(ctx, p.b, "commit"); err != nil {
		return err
	}
	return p.stayed(ctx)
}

func (p *proof) freeByA(ctx context.Context) error {
	if !p.session {
		_, err := simple(ctx, p.a, "commit")
		p.aLocked = false
		return err
	}
	freed, err := p.unlock(ctx, p.a)
	if err == nil && !freed {
		return p.unsafe("the connection that had taken the lock could not free it")
	}
	p.aLocked = false
	return err
}

func (p *proof) lockByB(ctx context.Context) (err error) {
	if err := p.begin(ctx, p.b); err != nil {
		return err
	}
	if p.bLocked, err = p.tryLock(ctx, p.b); err != nil {
		return err
	}
	if !p.bLocked {
		return p.unsafe("the lock was still held after the connection that held it had freed it")
	}
	if p.session {
		freed, err := p.unlock(ctx, p.b)
		if err != nil {
			return err
		}
		if !freed {
			return p.unsafe("the connection that had taken the lock could not free it")
		}
	}
	p.bLocked = false
	_, err = simple(ctx, p.b, "commit")
	return err
}

// stayed says whether a is still served by the process that took its lock.
func (p *proof) stayed(ctx context.Context) error {
	now, err := ask(ctx, p.a, backend)
	if err == nil && now != p.home {
		return p.unsafe(fmt.Sprintf("the statements of one connection ran in two server processes (%s and %s)", p.home, now))
	}
	return err
}

const (
	backend = "select pg_backend_pid()"
	// A DBA's time-out that ends a's transaction would free its lock, as if it did not lock.
	beginProof = "begin isolation level read committed; set local idle_in_transaction_session_timeout = 0"
)

// begin refuses a path that has no transactions: a pooler in statement mode
// answers with a protocol violation of its own (SQLSTATE 08P01).
func (p *proof) begin(ctx context.Context, conn *pgx.Conn) error {
	_, err := simple(ctx, conn, beginProof)
	if pgerr.Is(err, pgerrcode.ProtocolViolation) {
		return &UnsafeError{
			Seen:   fmt.Sprintf("No transaction could be opened: %q", pgerr.From(err).Message),
			Why:    "A lock would be free again with the statement that took it, and two runners would send one invoice",
			Remedy: "Let DATABASE_URL lead to PostgreSQL itself, or through a pooler in transaction or session mode (PgBouncer: pool_mode)",
		}
	}
	return err
}

func (p *proof) tryLock(ctx context.Context, conn *pgx.Conn) (bool, error) {
	return askBool(ctx, conn, fmt.Sprintf("select %s(%s)", p.try, p.key.args()))
}

// unlock frees this proof's key alone: pg_advisory_unlock_all, behind a pooler,
// would free the locks of whoever else was served by that process.
func (p *proof) unlock(ctx context.Context, conn *pgx.Conn) (bool, error) {
	return askBool(ctx, conn, fmt.Sprintf("select pg_advisory_unlock(%s)", p.key.args()))
}

// undo cleans up as well as it can after a proof that failed: behind a pooler
// that moves us, a session lock on this random key may stay with a process that
// we can't reach; it is in nobody's way. A failure here has nothing to add to
// the proof's own.
func (p *proof) undo(ctx context.Context) {
	for _, c := range []struct {
		conn   *pgx.Conn
		locked bool
	}{{p.b, p.bLocked}, {p.a, p.aLocked}} {
		if p.session && c.locked && c.conn.PgConn().TxStatus() != 'E' {
			_, _ = p.unlock(ctx, c.conn)
		}
		if c.conn.PgConn().TxStatus() != 'I' {
			_, _ = simple(ctx, c.conn, "rollback")
		}
	}
}

func (p *proof) unsafe(seen string) error {
	return &UnsafeError{
		Seen:   fmt.Sprintf("Here %s excludes nobody: %s", p.what, seen),
		Why:    "Two programs would each believe that it alone holds the lock",
		Remedy: p.remedy,
	}
}
