package compare_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/compare"
	"github.com/billonce/billonce/internal/compare/report"
)

// newComparison has a database of its own: samples are measured by what is written
// to a database, and tests run side by side.
func newComparison(t *testing.T, e edges) (c compare.Comparison, conn *pgx.Conn) {
	t.Helper()
	database := "comparison_" + strings.ToLower(rand.Text())
	admin, err := pgx.Connect(t.Context(), e.server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), "create database "+database); err != nil {
		t.Fatal(err)
	}
	conn, err = pgx.Connect(t.Context(), e.server.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return compare.Comparison{
		Settings: compare.Settings{
			Strategies: compare.DefaultStrategies(), Runners: []int{2}, Latencies: []time.Duration{time.Millisecond},
			ClaimSizes: []int{500}, Invoices: 60, Rounds: 2, Concurrency: 4,
		},
		Program: e.program, Version: "test", URL: e.server.URL(database),
	}, conn
}

func schemas(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_namespace where starts_with(nspname, 'billonce_compare_')").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func testComparison(t *testing.T, e edges) {
	c, conn := newComparison(t, e)
	c.Drill = true
	steps := 0
	c.Progress = func(string) { steps++ }
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if steps != c.Steps() {
		t.Errorf("want %d steps, got %d", c.Steps(), steps)
	}
	if len(r.Samples) != 8 || len(r.Results) != 4 || len(r.Drills) != 6 {
		t.Fatalf("want 2 rounds of 4 scenarios and 6 drills, got %d samples, %d results and %d drills", len(r.Samples), len(r.Results), len(r.Drills))
	}
	for _, sample := range r.Samples {
		checkSample(t, sample)
	}
	for _, d := range r.Drills {
		checkDrill(t, d)
	}
	if n := schemas(t, conn); n != 0 {
		t.Errorf("want nothing left behind, got %d schemas", n)
	}
}

func checkSample(t *testing.T, c report.Sample) {
	t.Helper()
	// Without a lock all are billed twice, unless one runner has been so slow to read
	// them that the other had marked a few.
	unlocked := c.Strategy == report.None
	if c.Invoices != 60 || c.Requests != c.Invoices+c.Duplicates || unlocked != (c.Duplicates > 0) {
		t.Errorf("want invoices billed twice only without a lock, and a request for each time, got %+v", c)
	}
	// Each invoice is written at least once, by a committed transaction.
	if c.WALBytes < 100*60 || c.Commits < 2 || c.DirtiedPages == nil || *c.DirtiedPages < 2 || c.DeadTuples < 1 {
		t.Errorf("the meter can't be right: %+v", c)
	}
	if c.Connections < 1 || c.Seconds <= 0 || c.P50MS < 1 || c.P95MS < c.P50MS || c.P99MS < c.P95MS {
		t.Errorf("the clocks can't be right: %+v", c)
	}
}

func checkDrill(t *testing.T, d report.Drill) {
	t.Helper()
	name := d.Strategy
	twice, doubtful, doubt := 0, 0, 0
	for _, e := range d.Events {
		switch e.Kind {
		case report.Twice:
			twice++
		case report.Doubtful:
			doubtful++
		case report.Billed, report.Repeated:
		}
	}
	if twice < d.BilledTwice || len(d.Events) != d.Requests {
		t.Errorf("%s: want the events to bear the API's counts out, got %+v", name, d)
	}
	switch {
	case d.Strategy == report.None || d.Strategy == report.NoWait:
		if d.BilledTwice == 0 {
			t.Errorf("%s: want invoices billed twice, got %+v", name, d)
		}
	case d.Keys:
		// The kill comes before the reply: that request at least is sent again.
		if d.BilledTwice != 0 || d.InDoubt != 0 || d.Requests <= d.Invoices {
			t.Errorf("%s: want everything sent once, got %+v", name, d)
		}
	default:
		doubt = d.InDoubt
		// What was killed between its intent and its request is in doubt, too.
		if d.BilledTwice != 0 || doubt == 0 || doubtful == 0 || doubtful > doubt || d.Requests > d.Invoices || d.Requests < d.Invoices-doubt {
			t.Errorf("%s without keys: want doubts, and no second request, got %+v", name, d)
		}
	}
	if d.DoneSeconds <= 0 || d.KilledAtMS <= 0 {
		t.Errorf("%s: the clocks can't be right: %+v", name, d)
	}
}

// testComparisonStops: a schema is removed whatever ends the comparison, and goleak
// and the server's end show that nobody is left behind.
func testComparisonStops(t *testing.T, e edges) {
	c, conn := newComparison(t, e)
	c.Rounds = 1000
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	met := 0
	c.Progress = func(step string) {
		if step != "warm-up" {
			met = schemas(t, conn)
			cancel(enough)
		}
	}
	if _, err := c.Run(ctx); !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
		t.Errorf("want the comparison to end with its context, got %v", err)
	}
	if n := schemas(t, conn); met != 1 || n != 0 {
		t.Errorf("want one schema during the comparison and none after it, got %d and %d", met, n)
	}
}

// testComparisonKeepsAway: what the user's database holds under the same names, and
// locks under the same keys, is left alone. The role may make a schema, and no more.
func testComparisonKeepsAway(t *testing.T, e edges) {
	c, conn := newComparison(t, e)
	c.OwnServer, c.Rounds, c.Runners = true, 1, []int{1}
	role := "comparer_" + strings.ToLower(rand.Text())
	for _, statement := range []string{
		"create role " + role + " login password 'x'",
		"grant create on database " + conn.Config().Database + " to " + role,
		"create table invoices (id bigint primary key, pending boolean not null)",
		"insert into invoices select n, true from generate_series(1, 60) n",
		"select pg_advisory_lock(n) from generate_series(1, 60) n",
		"begin", "lock table invoices in access exclusive mode",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	c.URL = u.String()
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range r.Samples {
		if sample.DirtiedPages != nil || sample.Held != 0 {
			t.Errorf("want no checkpoint asked for and no lock met, got %+v", sample)
		}
	}
	var pending int
	if err := conn.QueryRow(t.Context(), "select count(*) from invoices where pending").Scan(&pending); err != nil || pending != 60 {
		t.Errorf("want the user's invoices as they were, got %d pending, %v", pending, err)
	}
}
