package main

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P6 on a real streaming standby: its advisory locks exclude nobody.
func TestP6Standby(t *testing.T) {
	t.Parallel()
	primary := pgtest.Server(t, nil)
	b := newBookAt(t, primary.URL("postgres"), 10, billingfake.Config{})
	standby := pgtest.Standby(t, primary)
	for _, c := range []struct {
		name, says string
		env        []string
	}{
		{"everything", "pg_is_in_recovery", []string{"DATABASE_URL=" + standby.URL("postgres")}},
		{"the run lock alone", "pg_is_in_recovery", []string{"LOCK_DATABASE_URL=" + standby.URL("postgres")}},
	} {
		p := b.start(c.env...)
		p.wantExit(billing.ExitRefused)
		if out := p.output(); !strings.Contains(out, c.says) || !strings.Contains(out, "target_session_attrs=read-write") {
			t.Errorf("%s: it does not say %q and what to set:\n%s", c.name, c.says, out)
		}
	}
	b.wantStates("none/true=10")
	// A URL that names both finds the primary by itself.
	u := strings.Replace(standby.URL("postgres"), hostOf(standby), hostOf(standby)+","+hostOf(primary), 1)
	b.start("DATABASE_URL=" + u + "&target_session_attrs=read-write").wantExit(0)
	b.wantStates("sent/false=10")
}

func hostOf(s *pgtemp.Server) string {
	_, rest, _ := strings.Cut(s.URL("postgres"), "@")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// A failover to an asynchronous standby that has not received the last commits:
// intents and marks are lost, and the new primary has never heard of them. The
// keys come from the ledger's identity, which it has: so the repeats of what was
// sent are recognised, and each invoice has one effect.
func TestFailoverWithALostTail(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices = 200
		primary := pgtest.Server(t, nil)
		b := newBookAt(t, primary.URL("postgres"), invoices, billingfake.Config{Idempotent: true})
		standby := pgtest.Standby(t, primary)
		b.start(strategy, "RUN_LIMIT=50").wantExit(0)
		stopFollowing(t, b, standby)
		b.start(strategy, "RUN_LIMIT=100").wantExit(0)
		if err := primary.Close(); err != nil {
			t.Fatal(err)
		}

		b.url = standby.URL("postgres")
		b.env["DATABASE_URL"] = b.url
		if !query[bool](b, "select pg_promote()") {
			t.Fatal("the standby was not promoted")
		}
		b.wantStates("none/true=150 sent/false=50")
		b.start(strategy).wantExit(0)
		if c := b.api.Counts(); c.Requests != 300 || c.Effects != invoices {
			t.Errorf("%d requests with %d effects, want 300 (100 of them repeats) and %d", c.Requests, c.Effects, invoices)
		}
		wantOneEffectEach(t, b, invoices)
		b.wantStates("sent/false=200")
	})
}

// stopFollowing lets the standby replay what it has received so far, and
// receive nothing more.
func stopFollowing(t *testing.T, b *book, standby *pgtemp.Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), standby.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	until := func(statement string, args ...any) {
		t.Helper()
		for again := time.NewTicker(10 * time.Millisecond); ; <-again.C {
			var yes bool
			if err := conn.QueryRow(t.Context(), statement, args...).Scan(&yes); err != nil {
				t.Fatal(err)
			}
			if yes {
				return
			}
		}
	}
	until("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", query[string](b, "select pg_current_wal_lsn()::text"))
	for _, statement := range []string{"alter system set primary_conninfo = ''", "select pg_reload_conf()"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	until("select not exists (select from pg_stat_wal_receiver)")
}
