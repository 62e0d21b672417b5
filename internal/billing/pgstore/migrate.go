package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// migrateWait is how long a migration waits for another one to end.
const migrateWait = time.Minute

// defaultKeyType is the ledger's where there are no invoices to look at yet.
const defaultKeyType = "bigint"

// SchemaError says that the ledger's schema is not the one that this program
// knows. A run then touches nothing.
type SchemaError struct {
	Schema     string
	Have, Want int32 // 0: there is none
}

func (e *SchemaError) Error() string {
	switch {
	case e.Have == 0:
		return fmt.Sprintf("the ledger's schema %s is missing: run `batch migrate`", e.Schema)
	case e.Have < e.Want:
		return fmt.Sprintf("the ledger's schema %s is older (version %d) than this program (%d): run `batch migrate`", e.Schema, e.Have, e.Want)
	}
	return fmt.Sprintf("the ledger's schema %s is newer (version %d) than this program (%d): run the newer program; an older one would not know its rules",
		e.Schema, e.Have, e.Want)
}

// Migrated tells what a migration did.
type Migrated struct {
	Schema     string
	From, To   int32
	KeyType    string
	NoInvoices bool   // there is no such table yet: the key's type is assumed
	Retyped    string // the type that the ledger's key had before
	Was, Is    string // the table that it belonged to, and the one that it was bound to instead
	NotUnique  bool   // no unique index covers the invoices' key
}

// Migrate makes or upgrades the ledger, under a session lock of its own, so
// that several may be started at once.
func Migrate(ctx context.Context, cfg *pgx.ConnConfig, b book.Book) (Migrated, error) {
	return migrateLedger(ctx, cfg, b, "")
}

// Rebind is Migrate for a table that was renamed: the ledger belongs to the new name
// from now on. The ledger keeps who decided that.
func Rebind(ctx context.Context, cfg *pgx.ConnConfig, b book.Book, by string) (Migrated, error) {
	return migrateLedger(ctx, cfg, b, by)
}

func migrateLedger(ctx context.Context, cfg *pgx.ConnConfig, b book.Book, rebindBy string) (m Migrated, err error) {
	m.Schema = b.Schema.SQL()
	lock, err := advisory.Acquire(ctx, advisory.Config{
		Conn: cfg, Key: advisory.NewRunKey("migrate " + m.Schema), Mode: advisory.Exclusive, Wait: migrateWait,
	})
	if err != nil {
		return m, fmt.Errorf("take the migration's lock: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release(context.WithoutCancel(ctx))) }()

	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return m, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	place, err := Locate(ctx, conn, b)
	m.KeyType = place.keyType
	if errors.Is(err, ErrNoInvoices) {
		m.KeyType, m.NoInvoices, err = defaultKeyType, true, nil
	}
	if err != nil {
		return m, err
	}
	if err := m.apply(ctx, conn, b); err != nil {
		return m, err
	}
	if m.NoInvoices {
		return m, nil
	}
	if m.Was, m.Is, err = place.bind(ctx, conn, rebindBy); err != nil {
		return m, err
	}
	unique, known := place.Unique()
	m.NotUnique = known && !unique
	m.Retyped, err = place.retype(ctx, conn)
	return m, err
}

func (m *Migrated) apply(ctx context.Context, conn *pgx.Conn, b book.Book) error {
	files, err := sql.Migrations()
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "create schema if not exists "+m.Schema); err != nil {
		return fmt.Errorf("create schema %s: %w", m.Schema, err)
	}
	tern, err := migrate.NewMigrator(ctx, conn, m.Schema+".schema_version")
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	// What is added to a ledger takes the type that it has: retype changes all.
	keyType, err := ledgerType(ctx, conn, b)
	if errors.Is(err, pgx.ErrNoRows) {
		keyType, err = m.KeyType, nil
	}
	if err != nil {
		return err
	}
	tern.Data = map[string]any{"schema": m.Schema, "key_type": keyType}
	if err := tern.LoadMigrations(files); err != nil {
		return fmt.Errorf("load migrations: %w", err)
	}
	if m.From, err = tern.GetCurrentVersion(ctx); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	m.To = int32(len(tern.Migrations))
	if m.From > m.To {
		return &SchemaError{Schema: m.Schema, Have: m.From, Want: m.To}
	}
	return m.locked(ctx, conn, tern.Migrate)
}

// locked calls f until it gets the tables' locks. Each try gives up soon: what waits for
// an exclusive lock keeps everybody else away from the table as well.
func (m *Migrated) locked(ctx context.Context, conn *pgx.Conn, f func(context.Context) error) error {
	for end := time.Now().Add(migrateWait); ; {
		err := f(ctx)
		switch {
		case err == nil:
			return nil
		case !pgerr.Is(err, pgerrcode.LockNotAvailable):
			return fmt.Errorf("migrate: %w", err)
		case time.Now().After(end):
			return fmt.Errorf("migrate: the ledger's tables are in use by %s for more than %s: end that transaction, and run `batch migrate` again (%w)",
				m.holders(ctx, conn), migrateWait, err)
		}
		select {
		case <-time.After(time.Second): // let those through who have queued up behind us
		case <-ctx.Done():
			return fmt.Errorf("migrate: %w", context.Cause(ctx))
		}
	}
}

func (m *Migrated) holders(ctx context.Context, conn *pgx.Conn) (names string) {
	err := conn.QueryRow(ctx, advisory.OnPrimary+`select coalesce(string_agg(distinct format('%s (pid %s)', application_name, pid), ', '), 'somebody')
		from pg_locks join pg_stat_activity using (pid)
		where granted and pid <> pg_backend_pid() and relation in (to_regclass($1), to_regclass($2))`,
		m.Schema+".deliveries", m.Schema+".runs").Scan(&names)
	if err != nil {
		return "somebody"
	}
	return names
}

// keyed are the ledger's tables that have the invoices' key.
func keyed() []string {
	return []string{"deliveries", "history", "kept", "set_aside", "pending_again"}
}

// retype gives the ledger the type of the invoices' key: an empty one, which was made
// before they were, any type; one with deliveries follows a key that was widened, whose
// values, and so the idempotency keys and hashes made of them, stay the same.
func (p Place) retype(ctx context.Context, conn *pgx.Conn) (was string, err error) {
	have, err := ledgerType(ctx, conn, p.book)
	if err != nil || have == p.keyType {
		return "", err
	}
	table := p.book.Own("deliveries")
	return have, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "lock table "+table+" in access exclusive mode"); err != nil {
			return fmt.Errorf("lock the ledger: %w", err)
		}
		var used bool
		if err := tx.QueryRow(ctx, advisory.OnPrimary+"select exists (select from "+table+")").Scan(&used); err != nil {
			return fmt.Errorf("look into the ledger: %w", err)
		}
		values := "null"
		switch {
		case widened(p.keyType, have):
			values = "invoice_id"
		case used:
			return p.typeFault(ctx, tx.Conn(), have)
		}
		for _, name := range keyed() {
			_, err := tx.Exec(ctx, fmt.Sprintf("alter table %s alter column invoice_id type %s using %s", p.book.Own(name), p.keyType, values))
			if err != nil {
				return fmt.Errorf("change the type of the ledger's key: %w", err)
			}
		}
		return nil
	})
}

func widened(want, have string) bool { return have == "integer" && want == "bigint" }

// typeFault advises a new ledger only where nothing in this one is open: there, what is in
// doubt would be billed again.
func (p Place) typeFault(ctx context.Context, conn *pgx.Conn, have string) error {
	var used, open bool
	err := conn.QueryRow(ctx, advisory.OnPrimary+fmt.Sprintf(`select exists (select from %[1]s), exists (select from %[1]s where open_state is not null)
		or exists (select from %[1]s where state = 'sending')`, p.book.Own("deliveries"))).Scan(&used, &open)
	if err != nil {
		return fmt.Errorf("look into the ledger: %w", err)
	}
	advice := "give this table a LEDGER_SCHEMA of its own and run `batch migrate`"
	switch {
	case !used || widened(p.keyType, have):
		advice = "run `batch migrate`: the ledger follows"
	case open:
		advice = "some of its deliveries are open, and another ledger would bill them again: give the column its type back, run `batch status`, and decide them first"
	}
	return fmt.Errorf("%w: the key of %s is %s, but the ledger in %s holds keys of type %s; %s",
		ErrKeyType, p.book.Invoices.SQL(), p.keyType, p.book.Schema.SQL(), have, advice)
}

// checkSchema refuses a schema that is missing, older or newer.
func checkSchema(ctx context.Context, conn *pgx.Conn, b book.Book) error {
	want, err := sql.SchemaVersion()
	if err != nil {
		return err
	}
	fault := &SchemaError{Schema: b.Schema.SQL(), Want: want}
	err = conn.QueryRow(ctx, advisory.OnPrimary+"select version from "+b.Own("schema_version")).Scan(&fault.Have)
	switch {
	case pgerr.Is(err, pgerrcode.UndefinedTable, pgerrcode.InvalidSchemaName), errors.Is(err, pgx.ErrNoRows):
		return fault
	case err != nil:
		return fmt.Errorf("read the version of the ledger's schema: %w", err)
	case fault.Have != want:
		return fault
	}
	return nil
}

func ledgerType(ctx context.Context, conn *pgx.Conn, b book.Book) (string, error) {
	query, err := sql.Query("locate", sql.Names{})
	if err != nil {
		return "", err
	}
	var typ string
	if err := conn.QueryRow(ctx, query, b.Own("deliveries"), "invoice_id").Scan(&typ, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil); err != nil {
		return "", fmt.Errorf("look up the type of the ledger's key: %w", err)
	}
	return typ, nil
}

// checkLedgerType refuses a ledger of another table, or with keys of another type.
func (p Place) checkLedgerType(ctx context.Context, conn *pgx.Conn) error {
	have, err := ledgerType(ctx, conn, p.book)
	if err != nil {
		return err
	}
	if err := p.checkOwner(ctx, conn); err != nil {
		return err
	}
	if have != p.keyType {
		return p.typeFault(ctx, conn, have)
	}
	return nil
}

// LedgerID is the identity that the ledger was given as it was made.
func (s *Store) LedgerID(ctx context.Context) (id uuid.UUID, err error) {
	if known := s.ledger.Load(); known != nil {
		return *known, nil
	}
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, advisory.OnPrimary+"select id from "+s.place.book.Own("ledger")).Scan(&id)
	})
	if err == nil {
		s.ledger.Store(&id)
	}
	return id, err
}
