package main

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P12: in a copy of the database a run goes on under keys, and the ledger trusts the copy
// after it. Until then nobody is written off: who died may have sent what the copy lacks,
// and those that live wait for it. Without keys: TestP12ACopyForStaging.
func TestP12CopyOfTheDatabaseIsNoticed(t *testing.T) {
	t.Parallel()
	b := newBook(t, 5, billingfake.Config{Idempotent: true})
	b.start().wantExit(billing.ExitDone)
	b.execute("update invoices set pending = true, sent_at = null; delete from billonce.deliveries; delete from billonce.history")
	b.execute(`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version)
		values (gen_random_uuid(), 'died', 'advisory', 'shared', 'a runner that died', 'test')`)
	b.moveTo(query[string](b, "select current_database()") + "_copy")
	for writtenOff := range 2 {
		p := b.start()
		p.wantExit(billing.ExitDone)
		if named := strings.Contains(p.output(), `"event":"another_database"`); named != (writtenOff == 0) {
			t.Errorf("it is named: %t\n%s", named, p.output())
		}
		if c := b.api.Counts(); c.Effects != 5 {
			t.Errorf("%d effects, want 5", c.Effects)
		}
		if n := query[int](b, "select count(*)::int from billonce.ledger where found_identity is null and accepted_by = 'batch run'"); n != 1 {
			t.Error("the copy is not trusted afterwards")
		}
		if n := query[int](b, "select count(*)::int from billonce.runs where written_off_at is not null"); n != writtenOff {
			t.Errorf("%d runs are written off, want %d", n, writtenOff)
		}
	}
}

// P12: the key of what looks untried is as old as the newest request that is known: while
// the API remembers that, less a margin, the run goes on, and from then on it is refused.
func TestP12KeysOfACopyGrowOld(t *testing.T) {
	t.Parallel()
	for age, want := range map[string]int{"50 minutes": billing.ExitDone, "55 minutes": billing.ExitRefused} {
		b := newBook(t, 5, billingfake.Config{Idempotent: true})
		b.env["BILLING_IDEMPOTENCY_TTL"] = "1h" // six minutes of it are the margin
		b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
		b.execute("update billonce.deliveries set first_sent_at = now() - interval '" + age + "'; delete from billonce.history")
		b.moveTo(query[string](b, "select current_database()") + "_copy")
		p := b.start()
		p.wantExit(want)
		if n := b.api.Counts().Requests; want == billing.ExitRefused && n != 1 {
			t.Errorf("%d requests", n)
		}
		if want == billing.ExitDone && query[int](b, "select count(*)::int from billonce.deliveries where first_sent_at > now() - interval '50 minutes'") > 0 {
			t.Error("a key counts as new")
		}
	}
}

// P12: before a person has the ledger trust the copy, it is said what may be billed twice,
// and afterwards who said so, and why. No run of few invoices says it for all.
func TestP12AcceptingShowsWhatMayBeBilledTwice(t *testing.T) {
	t.Parallel()
	b := newBook(t, 5, billingfake.Config{Idempotent: true})
	b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
	b.execute("update invoices set amount_cents = 1250, currency = case when id = 5 then 'CHF' else 'EUR' end")
	b.moveTo(query[string](b, "select current_database()") + "_copy")
	b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
	b.execute("update invoices set currency = e'C\\nH' where id = 4") // no header can carry it
	b.start("BILLING_HEADERS=X-Currency: {currency}", "RUN_CANARY=0").wantExit(billing.ExitPerson)
	b.execute("update invoices set pending = true where id = 5; delete from billonce.deliveries where invoice_id = 5")
	refused := b.start("BILLING_IDEMPOTENT=false")
	refused.wantExit(billing.ExitRefused)
	code, shown := b.tries("resume", "--accept-database", "--reason", "the list has none", "--by", "ops")
	if code != billing.ExitDone {
		t.Errorf("exit code %d", code)
	}
	for _, says := range []string{"a copy of the database", "newest request that it knows was sent at", "2 invoices of 12.50 C H, 12.50 CHF"} {
		if !strings.Contains(shown, says) {
			t.Errorf("resume does not say %q:\n%s", says, shown)
		}
		if !strings.Contains(refused.output(), says) {
			t.Errorf("the refusal does not say %q:\n%s", says, refused.output())
		}
	}
	if _, status := b.tries("status"); !strings.Contains(status, "by ops: the list has none") {
		t.Errorf("the status does not say who:\n%s", status)
	}
	for _, id := range []string{"1", "5"} { // sent, and never tried
		if _, history := b.tries("history", id); !strings.Contains(history, "trusted by ops: the list has none; system ") {
			t.Errorf("the history of invoice %s does not say who:\n%s", id, history)
		}
	}
	if _, again := b.tries("resume", "--accept-database", "--reason", "again", "--by", "eve"); strings.Contains(again, "may have been billed") {
		t.Errorf("it is no question any more:\n%s", again)
	}
	if _, history := b.tries("history", "1"); !strings.Contains(history, "trusted by ops: the list has none; ") || !strings.Contains(history, "trusted by eve: again; ") {
		t.Errorf("the history does not say who before:\n%s", history)
	}
}

// P12: a role that may not ask for the whole identity asks for what it may: a copy is noticed.
func TestP12PartOfTheIdentity(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, billingfake.Config{})
	role := query[string](b, "select current_database()") + "_plain"
	b.execute("create role " + role + " login password 'plain'")
	t.Cleanup(func() { b.execute("drop owned by " + role + "; drop role " + role) })
	b.command("migrate", "--role", role)
	b.start("RUN_LIMIT=1", "DATABASE_URL="+roleURL(t, b.url, role, "plain")).wantExit(billing.ExitDone)
	b.execute("revoke execute on function pg_control_system() from public")
	b.moveTo(query[string](b, "select current_database()") + "_copy")
	t.Cleanup(func() { b.execute("drop owned by " + role) })
	b.env["DATABASE_URL"] = roleURL(t, b.url, role, "plain")
	b.askedOnce("this is a copy of the database", 3)
}

// moveTo copies the book's database, and goes on in the copy.
func (b *book) moveTo(name string) {
	b.t.Helper()
	u, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	original := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	here := b.url
	b.url = u.String()
	b.execute(`create database "` + name + `" template "` + original + `"`)
	u.Path = "/" + name
	b.url = u.String()
	b.env["DATABASE_URL"] = b.url
	b.t.Cleanup(func() {
		u.Path = "/postgres"
		b.url = u.String()
		b.execute(`drop database "` + name + `" with (force)`)
		b.url = here
	})
}

// P12: what loses nothing and makes no copy is no question.
func TestP12NoFalseAlarm(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, nil)
	b := newBookAt(t, server.URL("postgres"), 8, billingfake.Config{})
	restart := func(immediate bool) func() {
		return func() {
			if err := server.Restart(t.Context(), immediate); err != nil {
				t.Fatal(err)
			}
			b.url = server.URL("postgres")
			b.env["DATABASE_URL"] = b.url
		}
	}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"the first run", func() {}},
		{"a restart", restart(false)},
		{"a crash", restart(true)},
		{"vacuum full", func() {
			for _, table := range []string{"ledger", "deliveries", "runs"} {
				b.execute("vacuum full billonce." + table)
			}
		}},
		{"reindex", func() { b.execute("reindex schema billonce") }},
		{"migrate", func() { b.command("migrate") }},
		{"a planned fail-over", func() {
			if err := errors.Join(server.Halt(), server.Follow(t.Context(), nil)); err != nil {
				t.Fatal(err)
			}
			b.env["FAILOVER_LOSES_COMMITS"] = "false"
			if !query[bool](b, "select pg_promote()") {
				t.Fatal("the standby was not promoted")
			}
		}},
	} {
		c.do()
		b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
		if t.Failed() {
			t.Fatalf("after %s", c.name)
		}
	}
	// But one table of the ledger that was restored alone is.
	b.execute(`create table billonce.restored (like billonce.deliveries including all); drop table billonce.deliveries;
		alter table billonce.restored rename to deliveries`)
	p := b.start()
	p.wantExit(billing.ExitRefused)
	if !strings.Contains(p.output(), "its ledger was restored") {
		t.Errorf("it is not said:\n%s", p.output())
	}
}
