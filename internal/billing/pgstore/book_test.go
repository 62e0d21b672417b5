package pgstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func emptyDB(t *testing.T) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgstore.ParseURL(pgtest.DB(t, "empty", nil), "test")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// parsed is a book that the test describes rightly.
func parsed(t testing.TB, s book.Settings) book.Book {
	t.Helper()
	b, faults := book.Parse(s)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return b
}

func TestRunRefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"missing": {"drop schema billonce cascade", "missing: run `batch migrate`"},
		"older":   {"update billonce.schema_version set version = version - 1", "run `batch migrate`"},
		"newer":   {"update billonce.schema_version set version = version + 1", "run the newer program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			execute(t, cfg, c.change)
			_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory"})
			var fault *pgstore.SchemaError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want a SchemaError with %q", err, c.want)
			}
		})
	}
}

func TestFragmentsAreCheckedBeforeAnything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*book.Settings)
		want   string
	}{
		"pending":   {func(b *book.Settings) { b.Pending = "pendign" }, "INVOICES_PENDING"},
		"mark_sent": {func(b *book.Settings) { b.MarkSent = "sent_on = now()" }, "INVOICES_MARK_SENT"},
		"injection": {func(b *book.Settings) { b.Pending = "pending); drop table invoices; --" }, "INVOICES_PENDING"},
		"no_table":  {func(b *book.Settings) { b.Invoices = "invoice" }, `did you mean public.invoices?`},
		"no_id":     {func(b *book.Settings) { b.ID = "invoice_id" }, `"invoices" has no column "invoice_id"`},
		"bad_type":  {func(b *book.Settings) { b.ID = "due_date" }, `create view billable as select *, "due_date"::text as billing_key from "public"."invoices"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			s := book.Settings{
				Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()",
			}
			c.change(&s)
			_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: parsed(t, s), RunID: uuid.New(), Strategy: "advisory"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want it to say %q", err, c.want)
			}
			if n := query[int](t, cfg, "select count(*) from invoices"); n != 0 {
				t.Errorf("%d invoices", n)
			}
		})
	}
}

func TestMigrateAtTheSameMoment(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 0); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	var mu sync.Mutex
	did := 0
	for range 5 {
		g.Go(func() error {
			m, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
			mu.Lock()
			defer mu.Unlock()
			if m.From != m.To {
				did++
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if did != 1 {
		t.Errorf("%d of 5 migrations did something, want 1", did)
	}
	if n := query[int](t, cfg, "select count(*) from billonce.ledger"); n != 1 {
		t.Errorf("%d ledger identities", n)
	}
}

// Tables of other shapes: names that need quotes, columns named like the
// ledger's, every type of key.
func TestRunOnOtherTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ table, id string }{
		"integer": {`create schema billing; create table billing."Invoice" ("ID" integer generated always as identity primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"uuid": {`create schema billing; create table billing."Invoice" ("ID" uuid default gen_random_uuid() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"text": {`create schema billing; create table billing."Invoice" ("ID" text default 'inv ' || random() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"varchar": {`create schema billing; create table billing."Invoice" ("ID" varchar(40) default 'inv ' || random() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"case_insensitive": {`create schema billing; create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table billing."Invoice" ("ID" text collate ci default 'Inv ' || random() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"char": {`create schema billing; create table billing."Invoice" ("ID" char(40) default 'Inv ' || random() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
		"domain": {`create schema billing; create domain code as varchar(40) collate "C"; create table billing."Invoice" ("ID" code default 'Inv ' || random() primary key,
			state text not null default 'open', attempt int, error text, run_id int, marked_id int, id2 text)`, `"ID"`},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := emptyDB(t)
				execute(t, cfg, c.table)
				execute(t, cfg, `insert into billing."Invoice" (attempt) select n from generate_series(1, 300) n`)
				b := parsed(t, book.Settings{
					Schema: `"My Ledger"`, Invoices: `billing."Invoice"`, ID: c.id, Namespace: "second book",
					Pending: "state = 'open' -- a comment", MarkSent: "state = 'sent', error = null",
				})
				if _, err := pgstore.Migrate(t.Context(), cfg, b); err != nil {
					t.Fatal(err)
				}
				var a api
				r := newBookRunner(t, cfg, b, &a, strategy, func(c *engine.Config) { c.Spread = true })
				s := r.Run(t.Context(), nil)
				if s.Sent != 300 || s.ExitCode() != 0 || len(a.requests) != 300 || s.Requests != 300 {
					t.Errorf("summary %+v, exit %d, %d invoices", s, s.ExitCode(), len(a.requests))
				}
				if left := query[int](t, cfg, `select count(*) from billing."Invoice" where state <> 'sent'`); left != 0 {
					t.Errorf("%d left", left)
				}
			})
		}
	}
}

// A ledger that was made before its invoices gets their type while it is empty.
func TestMigrateBeforeTheTable(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	m, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
	if err != nil || !m.NoInvoices || m.KeyType != "bigint" {
		t.Fatalf("%+v, %v", m, err)
	}
	execute(t, cfg, "create table invoices (id uuid primary key default gen_random_uuid(), pending boolean default true, sent_at timestamptz)")
	_, err = pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory"})
	if !errors.Is(err, pgstore.ErrKeyType) {
		t.Errorf("a ledger of another type: %v", err)
	}
	m, err = pgstore.Migrate(t.Context(), cfg, book.Demo())
	if err != nil || m.Retyped != "bigint" || m.KeyType != "uuid" {
		t.Fatalf("%+v, %v", m, err)
	}
	execute(t, cfg, "insert into invoices default values")
	var a api
	if s := newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil); s.Sent != 1 {
		t.Errorf("%+v", s)
	}
	execute(t, cfg, "drop table invoices; create table invoices (id bigint primary key)")
	if _, err = pgstore.Migrate(t.Context(), cfg, book.Demo()); !errors.Is(err, pgstore.ErrKeyType) {
		t.Errorf("a used ledger of another type: %v", err)
	}
}
