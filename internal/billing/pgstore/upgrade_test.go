package pgstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/sql"
)

// olderProgram speaks to the ledger as the program did that knew its third schema.
type olderProgram struct {
	t    *testing.T
	conn *pgx.Conn
	run  string
}

func (p olderProgram) does(name string, has map[string]bool, args ...any) int64 {
	p.t.Helper()
	n, err := p.tries(name, has, args...)
	if err != nil {
		p.t.Fatalf("the older program's %s: %v", name, err)
	}
	return n
}

func (p olderProgram) tries(name string, has map[string]bool, args ...any) (int64, error) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "schema3", name+".sql"))
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	err = template.Must(template.New(name).Parse(string(text))).Execute(&b, struct {
		sql.Names
		Has map[string]bool
	}{sql.Names{Schema: "billonce", KeyType: "bigint"}, has})
	if err != nil {
		p.t.Fatal(err)
	}
	tag, err := p.conn.Exec(p.t.Context(), b.String(), args...)
	return tag.RowsAffected(), err
}

// intends begins n deliveries, from one id on.
func (p olderProgram) intends(ids string, n int) {
	p.t.Helper()
	keys, bodies := make([]string, n), make([][]byte, n)
	for i := range n {
		keys[i], bodies[i] = uuid.NewString(), make([]byte, 32)
	}
	if got := p.does("intend_new", nil, ids, keys, bodies, p.run, 30.0); got != int64(n) {
		p.t.Fatalf("%d of %d intents", got, n)
	}
}

func (p olderProgram) settles(ids, state string, each bool) {
	p.t.Helper()
	args := []any{ids, p.run, 1, 1, state, state != "failed" && state != "sent", 500}
	if each {
		args = append(args, []float64{60}, []string{"as seen then"}, []*string{nil})
	}
	if got := p.does("settle", map[string]bool{"each": each}, args...); got != 1 {
		p.t.Fatalf("%d of 1 settled as %s", got, state)
	}
}

const openStates = `select string_agg(invoice_id || ':' || state || ':' || coalesce(open_state, '-') || ':' || key_version || ':' ||
	(retry_since is not null), ' ' order by invoice_id) from billonce.deliveries`

// A run of an older program that is under way as the ledger is migrated goes on to its
// end, and what it writes is found by the index: with deliveries in every state, whose
// rows stay where they are, and with none, whose columns get another order.
func TestOlderRunGoesOnAfterMigrate(t *testing.T) {
	t.Parallel()
	for name, filled := range map[string]bool{"filled": true, "empty": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := emptyDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 12); err != nil {
				t.Fatal(err)
			}
			ledgerOf(t, cfg, 3, "bigint")
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			old := olderProgram{t, conn, uuid.NewString()}
			start := func(run string) (int64, error) {
				return old.tries("run_start", nil, run, "invoices", "advisory", "shared", "billonce/old", "0.9")
			}
			if _, err := start(old.run); err != nil {
				t.Fatal(err)
			}
			want := "7:sent:-:1:false 8:retry:retry:1:true 9:failed:failed:1:false 10:in_doubt:in_doubt:1:false 11:sending:-:1:false"
			if filled {
				old.intends("{1,2,3,4,5,6}", 6)
				old.settles("{1}", "sent", false)
				old.settles("{2}", "retry", true)
				old.settles("{3}", "failed", true)
				old.settles("{4}", "in_doubt", true)
				old.settles("{5}", "in_doubt", true)
				execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s' where invoice_id in (5, 6)")
				cancelled := "select updated_at from billonce.deliveries where invoice_id = 5"
				old.does("resolve", nil, "5", "in_doubt", 1, query[time.Time](t, cfg, cancelled), "cancelled", true, "ada", "not owed")
				want = "1:sent:-:1:false 2:retry:retry:1:true 3:failed:failed:1:false 4:in_doubt:in_doubt:1:false 5:cancelled:-:1:false 6:sending:-:1:false " + want
			}

			if m, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil || m.From != 3 || m.To != 4 {
				t.Fatalf("%+v, %v", m, err)
			}

			old.intends("{7,8,9,10,11}", 5)
			old.settles("{7}", "sent", false)
			old.settles("{8}", "retry", true)
			old.settles("{9}", "failed", true)
			old.settles("{10}", "in_doubt", true)
			// Of what older programs write retry_since is not known: updated_at is as good.
			got := strings.ReplaceAll(query[string](t, cfg, openStates), "8:retry:retry:1:false", "8:retry:retry:1:true")
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			n := old.does("intend_again", nil, "{8}", []string{"retry"}, []int{1}, []string{old.run}, []int{1}, [][]byte{make([]byte, 32)}, old.run, 30.0)
			if open := query[int](t, cfg, "select count(*) from billonce.deliveries where invoice_id = 8 and open_state is not null"); n != 1 || open != 0 {
				t.Errorf("%d taken over, %d still open", n, open)
			}
			old.does("run_finish", nil, old.run, 0, "{}")

			// What the older program left is the newer one's to send.
			if filled {
				var a api
				s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent = true }).Run(t.Context(), nil)
				if a.requests["12"] != 1 || a.requests["1"] != 0 || a.requests["5"] != 0 {
					t.Errorf("requests %v, %+v", a.requests, s)
				}
			}

			// As long as every key has its first version, older programs may begin.
			if _, err := start(uuid.NewString()); err != nil {
				t.Error(err)
			}
			execute(t, cfg, "update billonce.ledger set raised_at = now()")
			if _, err := start(uuid.NewString()); err == nil || !strings.Contains(err.Error(), "run the newer program") {
				t.Errorf("an older program may begin beside newer keys: %v", err)
			}
		})
	}
}

// What only an open delivery needs goes as it is decided.
func TestHashesGoAsDeliveriesAreDecided(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	a := api{reply: func(m billing.Request, _ int) billing.Reply {
		return map[billing.InvoiceID]billing.Reply{
			"1": {Outcome: billing.Accepted, Status: 200},
			"2": {Outcome: billing.Refused, Status: 402, Reason: "no card"},
			"3": {Outcome: billing.Unknown, Status: 500, Reason: "HTTP 500"},
		}[m.InvoiceID]
	}}
	newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	const hashes = "select string_agg(state || ':' || (body_sha256 is not null), ' ' order by invoice_id) from billonce.deliveries"
	if got := query[string](t, cfg, hashes); got != "sent:false failed:false in_doubt:true" {
		t.Errorf("states and hashes: %s", got)
	}
}

// A run says which schema its program knows.
func TestRunStartNamesTheNewestSchema(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	s, _ := openStore(t, cfg, "advisory")
	if err := s.StartRun(t.Context(), pgstore.RunRecord{Name: "n", Strategy: "advisory", RunLock: "shared", Application: "a", Version: "v"}); err != nil {
		t.Fatal(err)
	}
	want, err := sql.SchemaVersion()
	if err != nil {
		t.Fatal(err)
	}
	if got := query[int32](t, cfg, "select program from billonce.runs"); got != want {
		t.Errorf("program %d, want %d", got, want)
	}
}

// A key that was widened: the ledger follows, with all that is in it.
func TestMigrateFollowsAWidenedKey(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	execute(t, cfg, "create table invoices (id integer primary key, pending boolean default true, sent_at timestamptz); insert into invoices values (1)")
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil {
		t.Fatal(err)
	}
	a := api{reply: func(billing.Request, int) billing.Reply { return billing.Reply{Outcome: billing.Unknown, Status: 500} }}
	newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	const line = "select d::text from billonce.deliveries d where invoice_id = 1"
	before := query[string](t, cfg, line)
	execute(t, cfg, "alter table invoices alter column id type bigint; insert into invoices values (3000000000)")
	_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory"})
	if !errors.Is(err, pgstore.ErrKeyType) || !strings.Contains(err.Error(), "run `batch migrate`") || strings.Contains(err.Error(), "LEDGER_SCHEMA") {
		t.Errorf("%v", err)
	}
	if m, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil || m.Retyped != "integer" {
		t.Fatalf("%+v, %v", m, err)
	}
	if after := query[string](t, cfg, line); after != before {
		t.Errorf("was %s\nis  %s", before, after)
	}
	var b api
	newRunner(t, cfg, &b, "advisory", nil).Run(t.Context(), nil)
	if b.requests["3000000000"] != 1 || b.requests["1"] != 0 {
		t.Errorf("requests %v", b.requests)
	}
	execute(t, cfg, "drop table invoices; create table invoices (id text primary key, pending boolean default true, sent_at timestamptz)")
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); !errors.Is(err, pgstore.ErrKeyType) || strings.Contains(err.Error(), "LEDGER_SCHEMA") {
		t.Errorf("with a delivery in doubt: %v", err)
	}
}

// A ledger belongs to one table: another one's invoices would pass for sent.
func TestLedgerBelongsToOneTable(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	execute(t, cfg, "create table credit_notes (like invoices including all)")
	b := book.Demo()
	b.Invoices = book.Name{"credit_notes"}
	open := func() error {
		s, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: b, RunID: uuid.New(), Strategy: "advisory"})
		if err == nil {
			err = s.Close(t.Context())
		}
		return err
	}
	for _, err := range []error{open(), func() error { _, err := pgstore.Migrate(t.Context(), cfg, b); return err }()} {
		if !errors.Is(err, pgstore.ErrOtherTable) || !strings.Contains(err.Error(), "LEDGER_SCHEMA") || !strings.Contains(err.Error(), "--rebind") {
			t.Errorf("%v", err)
		}
	}
	m, err := pgstore.Rebind(t.Context(), cfg, b, "ann")
	if err != nil || !strings.Contains(m.Was, `"invoices"`) || !strings.Contains(m.Is, `"credit_notes"`) {
		t.Errorf("%+v, %v", m, err)
	}
	if err := open(); err != nil {
		t.Error(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var from, by string
	if err := conn.QueryRow(t.Context(), "select rebound_from, rebound_by from billonce.ledger where rebound_at is not null").Scan(&from, &by); err != nil || from != m.Was || by != "ann" {
		t.Errorf("recorded: %q by %q, %v", from, by, err)
	}
}

// Somebody's long transaction does not make a migration keep everybody else waiting: it
// gives up soon, lets them through, and tries again.
func TestMigrateGivesWay(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 0); err != nil {
		t.Fatal(err)
	}
	ledgerOf(t, cfg, 3, "bigint")
	dump, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer dump.Close(t.Context())
	if _, err := dump.Exec(t.Context(), "begin; select from billonce.deliveries"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
		done <- err
	}()
	const waiting = `select count(*) from pg_locks where not granted and relation = 'billonce.deliveries'::regclass`
	for _, want := range []int{1, 0} {
		for query[int](t, cfg, waiting) != want {
			select {
			case err := <-done:
				t.Fatalf("it ended while the table was held: %v", err)
			default:
			}
		}
	}
	if _, err := dump.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
