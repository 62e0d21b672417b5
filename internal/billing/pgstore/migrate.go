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

	"billonce/internal/advisory"
	"billonce/internal/billing/book"
	"billonce/internal/pgerr"
	"billonce/sql"
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
	Retyped    string // the type that an empty ledger's key had before
}

// Migrate makes or upgrades the ledger, under a session lock of its own, so
// that several may be started at once.
func Migrate(ctx context.Context, cfg *pgx.ConnConfig, b book.Book) (m Migrated, err error) {
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
	if !m.NoInvoices {
		m.Retyped, err = place.retype(ctx, conn)
	}
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
	if err := tern.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// retype gives an empty ledger the type of the invoices' key, where it was made
// before they were.
func (p Place) retype(ctx context.Context, conn *pgx.Conn) (was string, err error) {
	have, err := ledgerType(ctx, conn, p.book)
	if err != nil || have == p.keyType {
		return "", err
	}
	table, history := p.book.Own("deliveries"), p.book.Own("history")
	return have, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "lock table "+table+" in access exclusive mode"); err != nil {
			return fmt.Errorf("lock the ledger: %w", err)
		}
		var used bool
		if err := tx.QueryRow(ctx, "select exists (select from "+table+")").Scan(&used); err != nil {
			return fmt.Errorf("look into the ledger: %w", err)
		}
		if used {
			return p.typeFault(have)
		}
		for _, table := range []string{table, history} {
			_, err := tx.Exec(ctx, fmt.Sprintf("alter table %s alter column invoice_id type %s using null", table, p.keyType))
			if err != nil {
				return fmt.Errorf("change the type of the ledger's key: %w", err)
			}
		}
		return nil
	})
}

func (p Place) typeFault(have string) error {
	return fmt.Errorf("%w: the key of %s is %s, but the ledger in %s holds keys of type %s; "+
		"run `batch migrate` if that ledger is empty, else give this book another LEDGER_SCHEMA",
		ErrKeyType, p.book.Invoices.SQL(), p.keyType, p.book.Schema.SQL(), have)
}

// checkSchema refuses a schema that is missing, older or newer.
func checkSchema(ctx context.Context, conn *pgx.Conn, b book.Book) error {
	want, err := sql.SchemaVersion()
	if err != nil {
		return err
	}
	fault := &SchemaError{Schema: b.Schema.SQL(), Want: want}
	err = conn.QueryRow(ctx, "select version from "+b.Own("schema_version")).Scan(&fault.Have)
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
	if err := conn.QueryRow(ctx, query, b.Own("deliveries"), "invoice_id").Scan(&typ, nil, nil, nil, nil, nil); err != nil {
		return "", fmt.Errorf("look up the type of the ledger's key: %w", err)
	}
	return typ, nil
}

func (p Place) checkLedgerType(ctx context.Context, conn *pgx.Conn) error {
	have, err := ledgerType(ctx, conn, p.book)
	if err == nil && have != p.keyType {
		err = p.typeFault(have)
	}
	return err
}

// LedgerID is the identity that the ledger was given as it was made.
func (s *Store) LedgerID(ctx context.Context) (id uuid.UUID, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select id from "+s.place.book.Own("ledger")).Scan(&id)
	})
	return id, err
}
