package pgstore_test

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// inDatabase is a database of an encoding, with one invoice that has a value of each kind
// that settings can write otherwise.
func inDatabase(t *testing.T, encoding string) *pgx.ConnConfig {
	t.Helper()
	cfg := newDB(t)
	name := cfg.Database + "_" + strings.ToLower(encoding)
	execute(t, cfg, "create database "+name+" template template0 encoding '"+encoding+"' lc_collate 'C' lc_ctype 'C'")
	t.Cleanup(func() {
		conn, err := pgx.ConnectConfig(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	was, err := url.Parse(cfg.ConnString())
	if err != nil {
		t.Fatal(err)
	}
	was.Path = "/" + name
	there, err := pgstore.ParseURL(was.String(), "test")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, there, `create table invoices (id text primary key, at timestamptz, day date, span interval, rate float8, raw bytea, name text,
			pending boolean default true, sent_at timestamptz);
		insert into invoices values ('Müller 1', '2026-03-01 23:30:00+00', '2026-03-01', '1 day 2 hours', 0.1::float8 + 0.2::float8, '\x00ff', 'Jürgen')`)
	if _, err := pgstore.Migrate(t.Context(), there, book.Demo()); err != nil {
		t.Fatal(err)
	}
	return there
}

// lookAt is the second look at the invoice, by a run of its own.
func lookAt(t *testing.T, cfg *pgx.ConnConfig, pooled bool) (*pgstore.Store, uuid.UUID, billing.Invoice) {
	t.Helper()
	run := uuid.New()
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Pooled: pooled, Book: book.Demo(), RunID: run, Strategy: "advisory", LongestRequest: time.Second,
		Row: true, Columns: []string{"at", "name", "raw"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	seen, err := s.Look(t.Context(), []billing.InvoiceID{"Müller 1"})
	if err != nil || len(seen) != 1 {
		t.Fatalf("%+v, %v", seen, err)
	}
	return s, run, seen[0]
}

// P9: what did not change does not look changed, whatever the database's encoding, and
// whatever the role or the environment has set; and nothing of that is left behind.
func TestP9SettingsAreNoChange(t *testing.T) {
	t.Parallel()
	const want = `{"id":"Müller 1","at":"2026-03-01T23:30:00+00:00","day":"2026-03-01","span":"1 day 02:00:00","rate":0.30000000000000004,"raw":"\\x00ff","name":"Jürgen","pending":true,"sent_at":null}`
	for _, encoding := range []string{"UTF8", "LATIN1"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			cfg := inDatabase(t, encoding)
			strange := cfg.Copy()
			strange.RuntimeParams["options"] = "-c timezone=Asia/Tokyo -c datestyle=german -c intervalstyle=iso_8601 -c extra_float_digits=-2 -c bytea_output=escape"
			for _, pooled := range []bool{false, true} {
				for _, as := range []*pgx.ConnConfig{cfg, strange} {
					_, _, inv := lookAt(t, as, pooled)
					if diff := cmp.Diff(want, string(inv.Row)); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
					columns := *inv.Columns[0] + " " + *inv.Columns[1] + " " + *inv.Columns[2]
					if want := `2026-03-01 23:30:00+00 Jürgen \x00ff`; columns != want {
						t.Errorf("columns %q, want %q", columns, want)
					}
				}
			}
			// What can't be said in the database's encoding keeps nothing from being settled.
			s, run, inv := lookAt(t, cfg, false)
			if _, err := intend(t.Context(), s, []billing.Intent{newIntent(inv.ID)}, time.Minute); err != nil {
				t.Fatal(err)
			}
			came, err := settlingOf(s)(t.Context(), []billing.Settlement{{
				InvoiceID: inv.ID, RunID: run, Attempt: 1, RunAttempt: 1, State: billing.InDoubt, Doubtful: true, Reason: "the API says 不",
			}})
			if err != nil || came[0] != billing.SettledFully {
				t.Errorf("%v, %v", came, err)
			}
		})
	}
}

// P9: of an older program's attempt only the body is known, as it was under the role's
// settings and in the database's encoding. A newer one's hash of an attempt before that
// says nothing, unless that one counts.
func TestP9OlderProgramsAttempt(t *testing.T) {
	t.Parallel()
	cfg := inDatabase(t, "LATIN1")
	strange := cfg.Copy()
	strange.RuntimeParams["options"] = "-c timezone=Asia/Tokyo"
	s, run, inv := lookAt(t, strange, false)
	intent := newIntent(inv.ID)
	intent.RequestSHA256, intent.LookupSHA256 = intent.BodySHA256, intent.BodySHA256
	if _, err := intend(t.Context(), s, []billing.Intent{intent}, time.Minute); err != nil {
		t.Fatal(err)
	}
	execute(t, cfg, "update billonce.deliveries set attempt = 2, body_sha256 = sha256('older')")
	for _, c := range []struct {
		program, doubtful      string
		request, lookup, older bool
	}{
		{"4", "true", true, true, false},
		{"null", "false", false, false, true},
		{"null", "true", true, false, false},
	} {
		execute(t, cfg, "update billonce.deliveries set doubtful = "+c.doubtful+`;
			delete from billonce.runs;
			insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, program)
			values ('`+run.String()+"', 'x', 'advisory', 'off', 'x', '1', "+c.program+")")
		_, _, inv := lookAt(t, strange, false)
		d := inv.Delivery
		if (d.RequestSHA256 != nil) != c.request || (d.LookupSHA256 != nil) != c.lookup {
			t.Errorf("%+v: request %x, look-up %x", c, d.RequestSHA256, d.LookupSHA256)
		}
		if asThen := bytes.Contains(inv.Row, []byte("M\xfcller")) && bytes.Contains(inv.Row, []byte("2026-03-02T08:30:00+09:00")); asThen != c.older {
			t.Errorf("%+v: %q", c, inv.Row)
		}
	}
}
