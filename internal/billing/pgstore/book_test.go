package pgstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"billonce/internal/billing/engine"
	"billonce/internal/billing/pgstore"
	"billonce/internal/pgtemp/pgtest"
)

func emptyDB(t *testing.T) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgstore.ParseURL(pgtest.DB(t, "empty", nil), "test")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestParseIdentifier(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`invoices`:                  `"invoices"`,
		`Invoices`:                  `"invoices"`,
		`billing."Invoice"`:         `"billing"."Invoice"`,
		`"select"."a ""quoted"" b"`: `"select"."a ""quoted"" b"`,
		`"a.b"`:                     `"a.b"`,
		`rechnungen_ä1$`:            `"rechnungen_ä1$"`,
		`Übersicht`:                 `"Übersicht"`,
	} {
		got, err := pgstore.ParseIdentifier(text, 2)
		if err != nil || got.Sanitize() != want {
			t.Errorf("%s: %s, %v; want %s", text, got.Sanitize(), err, want)
		}
	}
	for _, text := range []string{
		``, ` `, `.`, `a.`, `.a`, `a..b`, `1a`, `a b`, `a;drop table x`, `a--`, `"a`, `""`, `a"b"`, `"a"b`, `a.b.c`,
		`invoices where false; --`, "a\x00", "\"a\x00\"", `a/**/`, `(select 1)`,
	} {
		if got, err := pgstore.ParseIdentifier(text, 2); err == nil {
			t.Errorf("%q was taken for %s", text, got.Sanitize())
		}
	}
}

func FuzzParseIdentifier(f *testing.F) {
	f.Add(`billing."Invoice"`)
	f.Add(`a;drop table x`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := pgstore.ParseIdentifier(text, 2)
		if err != nil {
			return
		}
		again, err := pgstore.ParseIdentifier(got.Sanitize(), 2)
		if err != nil || again.Sanitize() != got.Sanitize() {
			t.Errorf("%q became %s, and that %s (%v)", text, got.Sanitize(), again.Sanitize(), err)
		}
	})
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
			_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: demoBook(), RunID: uuid.New(), Strategy: "advisory"})
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
		change func(*pgstore.Book)
		want   string
	}{
		"pending":   {func(b *pgstore.Book) { b.Pending = "pendign" }, "INVOICES_PENDING"},
		"mark_sent": {func(b *pgstore.Book) { b.MarkSent = "sent_on = now()" }, "INVOICES_MARK_SENT"},
		"injection": {func(b *pgstore.Book) { b.Pending = "pending); drop table invoices; --" }, "INVOICES_PENDING"},
		"no_table":  {func(b *pgstore.Book) { b.Invoices = "invoice" }, "no such table"},
		"no_id":     {func(b *pgstore.Book) { b.ID = "invoice_id" }, "no such table or column"},
		"bad_type":  {func(b *pgstore.Book) { b.ID = "due_date" }, "bigint, integer, uuid or text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			book := demoBook()
			c.change(&book)
			_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: book, RunID: uuid.New(), Strategy: "advisory"})
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
			m, err := pgstore.Migrate(t.Context(), cfg, demoBook())
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
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := emptyDB(t)
				execute(t, cfg, c.table)
				execute(t, cfg, `insert into billing."Invoice" (attempt) select n from generate_series(1, 300) n`)
				book := pgstore.Book{
					Schema: `"My Ledger"`, Invoices: `billing."Invoice"`, ID: c.id, Namespace: "second book",
					Pending: "state = 'open' -- a comment", MarkSent: "state = 'sent', error = null",
				}
				if _, err := pgstore.Migrate(t.Context(), cfg, book); err != nil {
					t.Fatal(err)
				}
				var a api
				r := newBookRunner(t, cfg, book, &a, strategy, func(c *engine.Config) { c.Spread = true })
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
	m, err := pgstore.Migrate(t.Context(), cfg, demoBook())
	if err != nil || !m.NoInvoices || m.KeyType != "bigint" {
		t.Fatalf("%+v, %v", m, err)
	}
	execute(t, cfg, "create table invoices (id uuid primary key default gen_random_uuid(), pending boolean default true, sent_at timestamptz)")
	_, err = pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: demoBook(), RunID: uuid.New(), Strategy: "advisory"})
	if !errors.Is(err, pgstore.ErrKeyType) {
		t.Errorf("a ledger of another type: %v", err)
	}
	m, err = pgstore.Migrate(t.Context(), cfg, demoBook())
	if err != nil || m.Retyped != "bigint" || m.KeyType != "uuid" {
		t.Fatalf("%+v, %v", m, err)
	}
	execute(t, cfg, "insert into invoices default values")
	var a api
	if s := newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil); s.Sent != 1 {
		t.Errorf("%+v", s)
	}
	execute(t, cfg, "drop table invoices; create table invoices (id bigint primary key)")
	if _, err = pgstore.Migrate(t.Context(), cfg, demoBook()); !errors.Is(err, pgstore.ErrKeyType) {
		t.Errorf("a used ledger of another type: %v", err)
	}
}
