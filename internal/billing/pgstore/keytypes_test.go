package pgstore

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// Whatever the key's type and collation, a statement finds invoices and deliveries by
// their indexes, and a page has the order of the user's index.
func TestP7KeysAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, key string }{
		"bigint":           {"", "bigint"},
		"smallint":         {"", "smallint"},
		"text":             {"", "text"},
		"varchar":          {"", "varchar(20)"},
		"collation C":      {"", `text collate "C"`},
		"case-insensitive": {"create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)", "text collate ci"},
		"char":             {"", "char(12)"},
		"domain":           {"create domain number as bigint check (value > 0); create domain invoice_number as number", "invoice_number"},
		"text domain":      {`create domain code as varchar(20) collate "POSIX"`, "code"},
		"char domain":      {"create domain code as char(20) not null", "code"},
		"citext":           {"create schema ours; create extension citext schema ours; set search_path to public, ours", "citext"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := keyOf(t, c.before, c.key)
			f, err := fit(t.Context(), conn, book.Demo(), request{row: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; set plan_cache_mode = force_generic_plan"); err != nil {
				t.Fatal(err)
			}
			ids, attempts := "{7,8,9}", []int32{1}
			for name, s := range map[string]struct {
				text string
				args []any
			}{
				"scan":        {f.sql.scanAfterUpTo, []any{10, "3", "7"}},
				"look":        {f.sql.look, []any{ids}},
				"look_ledger": {f.sql.lookLedger, []any{ids}},
				"lock_rows":   {f.sql.lockRows, []any{ids}},
				"mark":        {f.sql.mark, []any{ids}},
				"mark_trial":  {f.sql.markTrial, []any{"7"}},
				"is_pending":  {f.sql.isPending, []any{"7"}},
				"intended":    {f.sql.intended, []any{ids, attempts, "11111111-1111-4111-8111-111111111111"}},
			} {
				rows, err := conn.Query(t.Context(), "explain "+s.text, s.args...)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i, line := range plan {
					scans := strings.Contains(line, "Scan") && (strings.Contains(line, "invoices") || strings.Contains(line, "deliveries"))
					if scans && (i+1 == len(plan) || !strings.Contains(plan[i+1], "Index Cond")) || strings.Contains(line, "Sort ") {
						t.Errorf("%s does not find them by the index:\n%s", name, strings.Join(plan, "\n"))
						break
					}
				}
			}
		})
	}
}

// keyOf is a connection to a database whose invoices have a key of a type.
func keyOf(t *testing.T, before, key string) *pgx.Conn {
	t.Helper()
	url := pgtest.DB(t, "empty", nil)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, statement := range []string{
		before,
		"create table invoices (id " + key + " primary key, pending boolean not null default true, sent_at timestamptz)",
		"insert into invoices select n::text::bpchar from generate_series(1, 9) n",
	} {
		if strings.Contains(statement, "insert") && !strings.Contains(key, "char") && !strings.Contains(key, "text") && !strings.Contains(before, "char") {
			statement = strings.Replace(statement, "::text::bpchar", "", 1)
		}
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			if strings.Contains(statement, "citext") {
				t.Skipf("this PostgreSQL has no citext: %v", err)
			}
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := Migrate(t.Context(), conn.Config(), book.Demo()); err != nil {
		t.Fatal(err)
	}
	return conn
}
