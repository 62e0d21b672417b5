package pgstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/sql"
)

// later is an API that takes each request with a 202, and says what became of it later.
func later(found func(m billing.Request) billing.Found) *api {
	return &api{
		reply: func(billing.Request, int) billing.Reply {
			return billing.Reply{Outcome: billing.Submitted, Status: 202, RetryAfter: time.Nanosecond}
		},
		look: func(m billing.Request) billing.Found {
			if m.InvoiceID == control {
				return told(billing.Acted)
			}
			return found(m)
		},
	}
}

func withSubmitted(c *engine.Config) {
	c.HasLookup, c.SubmittedFor, c.Linger = true, 72*time.Hour, 0
}

func due(found billing.Found) billing.Found {
	found.RetryAfter = time.Hour
	return found
}

// P2, P3: what the API has taken is asked about until it says what became of it, and is
// marked only then; it is never sent again, whatever became of its invoice.
func TestP2SubmittedIsAskedAboutAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		found  billing.Finding
		change func(*engine.Config)
		before string // what became of it between the runs
		want   string // state, and whether it is pending
	}{
		"acted":                     {found: billing.Acted, want: "sent false"},
		"refused":                   {found: billing.RefusedFinding, want: "failed true"},
		"still submitted":           {found: billing.SubmittedFinding, want: "submitted true"},
		"does not tell":             {found: billing.UnknownFinding, want: "submitted true"},
		"absent":                    {found: billing.Absent, want: "in_doubt true"},
		"absent too early":          {found: billing.Absent, change: func(c *engine.Config) { c.LookUpAfter = time.Hour }, want: "submitted true"},
		"no answer":                 {found: billing.UnknownFinding, before: "update billonce.deliveries set submitted_at = now() - interval '73 h' where state = 'submitted'", want: "in_doubt true"},
		"no decision":               {found: billing.SubmittedFinding, before: "update billonce.deliveries set submitted_at = now() - interval '73 h' where state = 'submitted'", want: "in_doubt true"},
		"acted, invoice taken back": {found: billing.Acted, before: "update invoices set pending = false", want: "sent false"},
		"acted, late":               {found: billing.Acted, before: "update billonce.deliveries set submitted_at = now() - interval '73 h' where state = 'submitted'", want: "sent false"},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+", "+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 1)
				believed(t, cfg)
				said := due(told(billing.Absent))
				a := later(func(billing.Request) billing.Found { return said })
				s := newRunner(t, cfg, a, strategy, withSubmitted).Run(t.Context(), nil)
				if got := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 1"); got != "submitted" || s.ExitCode() != billing.ExitDone || s.Sent != 0 {
					t.Fatalf("%s after the 202, exit %d, want submitted and 0", got, s.ExitCode())
				}
				execute(t, cfg, "update billonce.deliveries set due_at = now(), deadline_at = now() where state = 'submitted'; "+c.before)
				said = due(told(c.found))
				for range 2 {
					newRunner(t, cfg, a, strategy, func(e *engine.Config) {
						withSubmitted(e)
						if c.change != nil {
							c.change(e)
						}
					}).Run(t.Context(), nil)
				}
				got := query[string](t, cfg, "select d.state || ' ' || i.pending from billonce.deliveries d join invoices i on i.id = d.invoice_id where i.id = 1")
				if got != c.want || a.requests["1"] != 1 {
					t.Errorf("%s after %d requests, want %s after one", got, a.requests["1"], c.want)
				}
			})
		}
	}
}

// P2: the invoice may be gone by the time that the API says what became of it.
func TestP2SubmittedOutlivesItsInvoice(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	believed(t, cfg)
	said := due(told(billing.Absent))
	a := later(func(billing.Request) billing.Found { return said })
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	execute(t, cfg, "update billonce.deliveries set due_at = now() where state = 'submitted'; delete from invoices")
	said = due(told(billing.Acted))
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	if got := query[int](t, cfg, "select count(*)::int from billonce.deliveries where state = 'sent' and invoice_id < 1000"); got != 2 {
		t.Errorf("%d sent, want 2", got)
	}
}

// P10: a look-up that knows of effects that can't be decides nothing of what is submitted.
func TestP10LyingLookUpsDecideNothingThatIsSubmitted(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	a := later(func(billing.Request) billing.Found { return told(billing.Acted) })
	for range 2 {
		newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
		execute(t, cfg, "update billonce.deliveries set due_at = now() where state = 'submitted'")
	}
	if got := query[int](t, cfg, "select count(*)::int from billonce.deliveries where state = 'submitted'"); got != 3 {
		t.Errorf("%d submitted, want 3", got)
	}
}

// P10: a look-up that does not know what was sent, either, says nothing of what is
// submitted: a gateway's 404 puts no night's documents into doubt.
func TestP10AbsentCountsOnlyIfWhatWasSentIsThere(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	believed(t, cfg)
	a := later(nil)
	a.look = func(billing.Request) billing.Found { return told(billing.Absent) }
	for range 2 {
		newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
		execute(t, cfg, "update billonce.deliveries set due_at = now(), deadline_at = now() where state = 'submitted'")
	}
	if got := query[int](t, cfg, "select count(*)::int from billonce.deliveries where state = 'submitted'"); got != 3 {
		t.Errorf("%d submitted, want 3", got)
	}
}

// P8: one row that can't be read keeps no other one from being asked about.
func TestP8SubmittedRowThatCantBeReadStopsNobody(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	believed(t, cfg)
	said := due(told(billing.Absent))
	a := later(func(billing.Request) billing.Found { return said })
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	execute(t, cfg, `update billonce.deliveries set due_at = now() where state = 'submitted';
		alter table invoices rename to raw; create view invoices as select *, 1 / (id - 2) as share from raw`)
	said = due(told(billing.Acted))
	if s := newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil); s.Err != nil {
		t.Fatal(s.Err)
	}
	got := query[string](t, cfg, "select string_agg(state, ' ' order by invoice_id) from billonce.deliveries where invoice_id < 1000")
	if want := "sent sent sent"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// P3: what the API has decided and can't be marked yet is unmarked, with what the look-up
// said, and is marked by a later run.
func TestP3SubmittedThatCantBeMarked(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	believed(t, cfg)
	said := due(told(billing.Absent))
	a := later(func(billing.Request) billing.Found { return said })
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	execute(t, cfg, `update billonce.deliveries set due_at = now() where state = 'submitted';
		alter table invoices add constraint held check (id <> 1 or pending)`)
	said = due(told(billing.Acted))
	s := newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	if got := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 1"); got != "unmarked" || s.ExitCode() != billing.ExitPerson {
		t.Fatalf("%s, exit %d, want unmarked and 3", got, s.ExitCode())
	}
	execute(t, cfg, "alter table invoices drop constraint held")
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	got := query[string](t, cfg, "select d.state || ' ' || i.pending from billonce.deliveries d join invoices i on i.id = d.invoice_id where i.id = 1")
	if want := "sent false"; got != want || a.requests["1"] != 1 {
		t.Errorf("%s after %d requests, want %s after one", got, a.requests["1"], want)
	}
}

// P1: what was submitted and has come into doubt is not sent again because a look-up says
// that it is absent: the API had it.
func TestP1SubmittedInDoubtIsNotSentAgain(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	believed(t, cfg)
	a := later(func(billing.Request) billing.Found { return told(billing.Absent) })
	newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	for range 3 {
		execute(t, cfg, "update billonce.deliveries set due_at = now() where state = 'submitted'; update billonce.deliveries set deadline_at = now() - interval '1 h'")
		newRunner(t, cfg, a, "advisory", withSubmitted).Run(t.Context(), nil)
	}
	got := query[string](t, cfg, "select string_agg(state, ' ') from billonce.deliveries where invoice_id < 1000")
	if want := "in_doubt in_doubt"; got != want || fmt.Sprint(a.requests) != "map[1:1 2:1]" {
		t.Errorf("%s after %v, want %s after one request each", got, a.requests, want)
	}
}

// P8: what is submitted stays pending, a hundred thousand perhaps, and keeps nobody: a scan
// passes over it, and the next look-up is the first of an index.
func TestP8ScansPassOverWhatIsSubmitted(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2000)
	execute(t, cfg, `insert into billonce.deliveries (invoice_id, state, open_state, attempt, run_attempt, idempotency_key, run_id,
			first_sent_at, updated_at, deadline_at, due_at, submitted_at)
		select n, 'submitted', 'submitted', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now(), now(), now()
		from generate_series(1, 1990) n;
		analyze billonce.deliveries; analyze invoices`)
	s, _ := openStore(t, cfg, "advisory")
	page, err := s.Scan(t.Context(), nil, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(page) != 10 || page[0].ID != "1991" {
		t.Errorf("the scan found %v, want the ten from 1991 on", page)
	}
	text, err := sql.Query("submitted", sql.Names{Schema: "billonce", KeyType: "bigint"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "explain "+text, pgx.QueryExecModeCacheDescribe, 100)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "deliveries_submitted_idx") || strings.Contains(plan, "Sort") {
		t.Errorf("all of them are sorted:\n%s", plan)
	}
}
