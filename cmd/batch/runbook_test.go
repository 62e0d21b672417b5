package main

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// runbook carries out a section of what the manual has a person do.
func (b *book) runbook(section string, replace map[string]string) {
	b.t.Helper()
	d := document{t: b.t, path: "../../docs/operations.md", section: section, url: b.url, replace: replace}
	for name, value := range b.env {
		if name != "LOG_FORMAT" {
			d.env = append(d.env, name+"="+value)
		}
	}
	d.run()
}

// P12: a backup that is restored over the ledger is another ledger, in the same database:
// one question, once. What the manual says of it helps.
func TestP12ARestoredDump(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, nil)
	b := newBookAt(t, server.URL("postgres"), 7, billingfake.Config{})
	b.start("RUN_LIMIT=2").wantExit(billing.ExitDone)
	b.runbook("### Restore a backup", map[string]string{
		"pg_dump ": pgtest.Beside(t, server, "pg_dump") + " ", "pg_restore --clean": pgtest.Beside(t, server, "pg_restore") + " --clean",
		"list.csv": file(t, []byte("id\n1\n2\n3\n4\n5\n6\n7\n")),
	})
	wantOneEffectEach(t, b, 7)
	b.wantStates("sent/false=7")
}

// P12: a copy for staging is refused until a person has given it an API of its own.
func TestP12ACopyForStaging(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, billingfake.Config{})
	b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	name, staging := u.Path[1:], *u
	staging.Path += "_staging"
	t.Cleanup(func() { dropRestored(t, b.url, name+"_staging") })
	b.runbook("### Make a copy for staging", map[string]string{
		"staging template billing":     name + "_staging template " + name,
		"postgres://localhost/staging": "'" + staging.String() + "'",
		"http://localhost:8181":        strings.TrimSuffix(b.env["BILLING_URL"], "/v1/invoices/{id}/send"),
	})
	wantOneEffectEach(t, b, 3)
}

// P12: a dump that is restored in another cluster: one question, once.
func TestP12ADumpElsewhere(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, nil)
	b := newBookAt(t, server.URL("postgres"), 3, billingfake.Config{})
	b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
	elsewhere := pgtest.DB(t, "empty", nil)
	b.runbook("### Major upgrade", map[string]string{
		"pg_dump ": pgtest.Beside(t, server, "pg_dump") + " ", "pg_restore --dbname": pgtest.Beside(t, server, "pg_restore") + " --dbname",
		"postgres://new.example/billing": "'" + elsewhere + "'",
	})
	wantOneEffectEach(t, b, 3)
}

// P12: after pg_upgrade, one question, once.
func TestP12AMajorUpgrade(t *testing.T) {
	t.Parallel()
	before := os.Getenv("POSTGRES_BIN_BEFORE")
	if before == "" {
		t.Skip("POSTGRES_BIN_BEFORE names no folder with the programs of an older PostgreSQL: make test-versions")
	}
	bin, err := pgtemp.Find(t.Context(), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	server, err := pgtemp.Start(t.Context(), pgtemp.Options{Temporary: true, FastUnsafe: true, Bin: before})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	b := newBookAt(t, server.URL("postgres"), 3, billingfake.Config{})
	b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
	old := query[string](b, "show server_version")
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	if err := server.Upgrade(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	t.Logf("from %s to %s", old, query[string](b, "show server_version"))
	b.askedOnce("this is another cluster than the one that was used last", 3)
	wantOneEffectEach(t, b, 3)
}

// askedOnce: a run is refused, with these words, until a person has adopted the API's list
// of the first invoices, and accepted the database.
func (b *book) askedOnce(says string, invoices int) {
	b.t.Helper()
	sent := b.api.Counts().Requests
	for range 2 {
		p := b.start("LINGER=0s")
		p.wantExit(billing.ExitRefused)
		if !strings.Contains(p.output(), says) {
			b.t.Errorf("it does not say %q:\n%s", says, p.output())
		}
	}
	if n := b.api.Counts().Requests; n != sent {
		b.t.Errorf("%d requests were sent by runs that were refused", n-sent)
	}
	b.adopt(invoices)
	for range 2 {
		b.start("LINGER=0s").wantExit(billing.ExitDone)
	}
}

// P12: a recovery to a point in time, from a base backup and an archive.
func TestP12ARecoveryToAPointInTime(t *testing.T) {
	t.Parallel()
	archive, err := os.MkdirTemp("", "billonce-archive-")             // not in the test's own folder: PostgreSQL's user can't enter that
	if err = errors.Join(err, os.Chmod(archive, 0o777)); err != nil { //nolint:gosec // it writes there
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(archive) })
	server := pgtest.Server(t, map[string]string{"archive_mode": "on", "archive_command": "cp %p " + archive + "/%f"})
	b := newBookAt(t, server.URL("postgres"), 6, billingfake.Config{})
	backup := pgtest.Standby(t, server)
	if err := backup.Halt(); err != nil {
		t.Fatal(err)
	}
	b.start("RUN_LIMIT=2").wantExit(billing.ExitDone)
	b.execute("select pg_create_restore_point('before the night')")
	b.start("RUN_LIMIT=4").wantExit(billing.ExitDone)
	b.execute("select pg_switch_wal()")
	if err := server.Close(); err != nil { // its last segments are archived by then
		t.Fatal(err)
	}
	if err := backup.Recover(t.Context(), archive, "before the night"); err != nil {
		t.Fatal(err)
	}
	b.url = backup.URL("postgres")
	b.env["DATABASE_URL"] = b.url
	for began := time.Now(); query[bool](b, "select pg_is_in_recovery()"); {
		if time.Since(began) > time.Minute {
			t.Fatal("it does not come out of its recovery")
		}
	}
	b.wantStates("none/true=4 sent/false=2")
	b.askedOnce("or recovered to an earlier moment", 6)
	wantOneEffectEach(t, b, 6)
}
