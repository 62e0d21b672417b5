package pgdesk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/sql"
)

func status(t *testing.T, cfg *pgx.ConnConfig) desk.Status {
	t.Helper()
	st, err := pgdesk.ReadStatus(t.Context(), pgdesk.StatusConfig{Conn: cfg, Book: demoBook(), RunName: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// as is cfg under another application's name.
func as(cfg *pgx.ConnConfig, application string) *pgx.ConnConfig {
	c := cfg.Copy()
	c.RuntimeParams["application_name"] = application
	return c
}

func TestStatusCounts(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 9)
	settledAs(t, cfg, billing.Sent, "1", "2")
	settledAs(t, cfg, billing.Failed, "3", "4", "5")
	settledAs(t, cfg, billing.Retry, "6")
	inDoubt(t, cfg, "7", "8")
	s := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses+`;
		update billonce.deliveries set error = 'no customer ' || invoice_id, http_status = 404 where invoice_id in (3, 4);
		update billonce.deliveries set due_at = now() + interval '1 h' where state = 'retry';
		update billonce.deliveries set updated_at = now() - interval '2 h' where invoice_id = 7;
		update billonce.deliveries set updated_at = now() - interval '2 days' where invoice_id = 1`)
	resolve(t, s, read(t, s, "8"), billing.Cancelled)
	st := status(t, cfg)
	want := map[billing.State]int64{billing.Sending: 0, billing.Sent: 2, billing.Retry: 1, billing.Failed: 3, billing.InDoubt: 1, billing.Cancelled: 1}
	if diff := cmp.Diff(want, st.Deliveries); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if st.Pending != 7 || st.SentToday != 1 || st.Estimated {
		t.Errorf("pending %d, today %d, estimated %t", st.Pending, st.SentToday, st.Estimated)
	}
	reasons := []desk.FailedReason{
		{Count: 2, HTTPStatus: 404, Error: "no customer 3", Example: "3"},
		{Count: 1, HTTPStatus: 500, Error: "seen: HTTP 500", Example: "5"},
	}
	if diff := cmp.Diff(reasons, st.Failed); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if st.RetryDueIn < 59*time.Minute || st.InDoubtFor < 2*time.Hour || st.InDoubtFor > 3*time.Hour {
		t.Errorf("due in %s, in doubt for %s", st.RetryDueIn, st.InDoubtFor)
	}
}

// What waits since the API asked a run that is under way for a slower pace is told apart
// from what failed to arrive, and from what an earlier run has left.
func TestStatusTellsWhatIsThrottled(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 6)
	settledAs(t, cfg, billing.Retry, "1", "2", "3", "4", "5")
	const run = "'00000000-0000-0000-0000-000000000001'"
	execute(t, cfg, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at)
			values (`+run+`, 'nightly', 'advisory', 'shared', 'billonce/live', 'test', now());
		update billonce.deliveries set run_id = `+run+` where invoice_id < 5`)
	execute(t, cfg, `update billonce.deliveries set http_status = 429, run_attempt = 2 where invoice_id in (1, 5);
		update billonce.deliveries set http_status = 200, run_attempt = 0 where invoice_id = 2;
		update billonce.deliveries set http_status = 401, run_attempt = 0 where invoice_id = 3;
		update billonce.deliveries set http_status = 503, run_attempt = 1 where invoice_id = 4`)
	if got := status(t, cfg).Throttled; got != 0 {
		t.Errorf("no run is alive, and %d are throttled", got)
	}
	live, err := pgx.ConnectConfig(t.Context(), as(cfg, "billonce/live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close(t.Context())
	if got := status(t, cfg).Throttled; got != 2 {
		t.Errorf("%d are throttled, want 2", got)
	}
}

// What changed is told from run to run, also of the oldest that is shown; and whose value
// waits for which delivery.
func TestStatusTellsWhatChangedAndWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 12)
	execute(t, cfg, "update invoices set customer = 'c' || id % 3")
	execute(t, cfg, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, settings)
		select gen_random_uuid(), 'invoices', 'advisory', 'off', 'test', 'test', now() - n * interval '1 hour',
			case when n < 9 then jsonb_build_object('BILLING_URL', (n / 2)::text, 'INVOICES_PENDING', (n / 4)::text) end
		from generate_series(1, 9) n`)
	for id, state := range map[string]string{"1": "in_doubt", "2": "retry", "12": "in_doubt"} {
		execute(t, cfg, `insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, run_id, first_sent_at, updated_at, deadline_at, due_at)
			values (`+id+`, '`+state+`', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now(), case when '`+state+`' = 'retry' then now() end)`)
	}
	b := demoBook()
	b.OnePer = book.Name{"customer"}
	st, err := pgdesk.ReadStatus(t.Context(), pgdesk.StatusConfig{Conn: cfg, Book: b, RunName: "invoices"})
	if err != nil {
		t.Fatal(err)
	}
	var changed [][]string
	for _, r := range st.Runs {
		changed = append(changed, r.Changed)
	}
	url := []string{"BILLING_URL"}
	if diff := cmp.Diff([][]string{url, nil, {"BILLING_URL", "INVOICES_PENDING"}, nil, url}, changed); diff != "" {
		t.Errorf("changed: -want +got:\n%s", diff)
	}
	// The last of its value holds nothing back.
	held := []desk.HeldBack{{Value: "c1", InvoiceID: "1", State: billing.InDoubt, Count: 3}, {Value: "c2", InvoiceID: "2", State: billing.Retry, Count: 3}}
	if diff := cmp.Diff(held, st.HeldBack); diff != "" {
		t.Errorf("held back: -want +got:\n%s", diff)
	}
	var page strings.Builder
	if err := st.Print(&page); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"c1", "3 by invoice 1, in_doubt", "unlike the run before: BILLING_URL, INVOICES_PENDING"} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("%q is not shown:\n%s", line, page.String())
		}
	}
}

// What is under way is told from what lost its runner, and by whom, for both
// strategies and for keys that only a hash of is locked.
func TestStatusTellsAliveFromOrphaned(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for _, namespace := range []string{"", "second book"} {
			t.Run(strategy+"/"+namespace, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 5)
				leaveSending(t, cfg, "4", "5")
				b := demoBook()
				b.Namespace = namespace
				s, err := pgstore.Open(t.Context(), pgstore.Config{Conn: as(cfg, "billonce/pod-a/1"), Book: b.Book, Strategy: strategy})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close(t.Context()) })
				err = s.StartRun(t.Context(), pgstore.RunRecord{Name: "nightly", Strategy: strategy, RunLock: "off", Application: "billonce/pod-a/1"})
				if err != nil {
					t.Fatal(err)
				}
				c := s.NewClaimer()
				claim, err := c.Claim(t.Context(), []billing.Candidate{{ID: "1"}, {ID: "2"}})
				if err != nil {
					t.Fatal(err)
				}
				sending(t, s, claim.IDs...)
				read := func() desk.Status {
					st, err := pgdesk.ReadStatus(t.Context(), pgdesk.StatusConfig{Conn: cfg, Book: b, Namespace: namespace, RunName: "nightly"})
					if err != nil {
						t.Fatal(err)
					}
					return st
				}
				st := read()
				if a := st.Sending.Alive; len(a) != 1 || a[0].Application != "billonce/pod-a/1" || a[0].Count != 2 || st.Sending.Orphaned != 2 || st.Deliveries[billing.Sending] != 4 {
					t.Errorf("%+v", st.Sending)
				}
				if len(st.Runs) != 1 || !st.Runs[0].Alive {
					t.Errorf("%+v", st.Runs)
				}
				// A run that has ended has no row locks left, whoever else is connected.
				execute(t, cfg, "update billonce.runs set finished_at = now()")
				if st = read(); (strategy == "row") != (st.Sending.Orphaned == 4) {
					t.Errorf("after its end: %+v", st.Sending)
				}
				execute(t, cfg, "update billonce.runs set finished_at = null")
				// The runner dies: its connections end.
				if err := c.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				const theirs = `from pg_stat_activity where application_name = 'billonce/pod-a/1' and datname = current_database()`
				execute(t, cfg, `do $$ begin perform pg_terminate_backend(pid) `+theirs+`;
					while exists (select `+theirs+`) loop perform pg_sleep(0.005), pg_stat_clear_snapshot(); end loop; end $$`)
				if st = read(); len(st.Sending.Alive) != 0 || st.Sending.Orphaned != 4 || st.Runs[0].Alive {
					t.Errorf("after its death: %+v", st.Sending)
				}
			})
		}
	}
}

// A live runner's deliveries are never taken for a dead one's, though they come and
// go while they are being looked at.
func TestStatusOfALiveRunShowsNoOrphans(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3000)
	var a api
	r := newRunner(t, cfg, &a, false)
	done := make(chan billing.Summary)
	go func() { done <- r.Run(t.Context(), nil) }()
	for looks := 0; ; looks++ {
		select {
		case s := <-done:
			if s.Sent != 3000 || looks == 0 {
				t.Errorf("%+v, looked at %d times", s, looks)
			}
			return
		default:
			if n := status(t, cfg).Sending.Orphaned; n > 0 {
				t.Errorf("%d whose sender is gone", n)
			}
		}
	}
}

// A large ledger is not read as a whole: what no index or statistic has is
// estimated, and says so.
func TestStatusOfALargeLedger(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 60000)
	execute(t, cfg, `insert into billonce.deliveries
		(invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id, first_sent_at, updated_at, deadline_at, due_at)
		select n, s, 1, 1, gen_random_uuid(), sha256('x'), gen_random_uuid(), now(), now(), now(), case s when 'retry' then now() end
		from (select n, case when n > 2000 then 'sent' when n > 1990 then 'sending' when n > 1980 then 'in_doubt'
		                     when n > 1960 then 'retry' when n > 1930 then 'failed' else 'sent' end
		      from generate_series(1, 120000) n) x (n, s);
		update invoices set pending = false where id <= 1000;
		insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, finished_at, exit_code, summary)
		values (gen_random_uuid(), 'nightly', 'row', 'off', 'x', 'x', now(), 0, '{"sent": 77}');
		analyze billonce.deliveries; analyze invoices; analyze billonce.runs`)
	const scans = "select coalesce(seq_scan, 0) from pg_stat_user_tables where relname = 'deliveries'"
	const lookUps = "select coalesce(idx_scan, 0) from pg_stat_user_tables where relname = 'deliveries'"
	scansBefore, lookUpsBefore := query[int64](t, cfg, scans), query[int64](t, cfg, lookUps)
	st := status(t, cfg)
	if !st.Estimated || st.SentToday != 77 || st.Pending != 59000 || st.Sending.Orphaned != 10 ||
		st.Deliveries[billing.Failed] != 30 || st.Deliveries[billing.Retry] != 20 || st.Deliveries[billing.InDoubt] != 10 {
		t.Errorf("%+v", st)
	}
	if sent := st.Deliveries[billing.Sent]; sent < 115_000 || sent > 125_000 {
		t.Errorf("about %d sent, want about 119,930", sent)
	}
	// Its backend reports what it did as it ends.
	for query[int64](t, cfg, lookUps) <= lookUpsBefore {
		continue
	}
	if after := query[int64](t, cfg, scans); after != scansBefore {
		t.Errorf("%d scans of the whole ledger", after-scansBefore)
	}
	n := sql.Names{Schema: "billonce", Invoices: "invoices", ID: "id", KeyType: "bigint", Pending: "pending"}
	for name, args := range map[string][]any{
		"status_open": nil, "status_reasons": {10}, "status_sending": {200000}, "status_cancelled": nil, "status_sent_today": nil,
		"status_size": {"billonce.deliveries"},
	} {
		text, err := sql.Query(name, n)
		if err != nil {
			t.Fatal(err)
		}
		if plan := explain(t, cfg, text, args...); readsAll(plan) {
			t.Errorf("%s reads the whole ledger:\n%s", name, plan)
		}
	}
	open, err := sql.Query("delivery", n, "open")
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []billing.State{billing.InDoubt, billing.Failed} {
		if plan := explain(t, cfg, open, string(state)); !strings.Contains(plan, "deliveries_open_idx") {
			t.Errorf("the list of what is %s reads the whole ledger:\n%s", state, plan)
		}
	}
}

// readsAll says whether a plan walks the whole ledger, through an index or not.
func readsAll(plan string) bool {
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		byKey := strings.Contains(line, "deliveries_pkey") && i+1 < len(lines) && strings.Contains(lines[i+1], "Index Cond")
		if strings.Contains(line, " on deliveries") && !byKey && !strings.Contains(line, "deliveries_open_idx") && !strings.Contains(line, "Bitmap Heap Scan") {
			return true
		}
	}
	return false
}

func explain(t *testing.T, cfg *pgx.ConnConfig, text string, args ...any) string {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "explain "+text, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// When the API takes requests again is told until then, and no longer.
func TestStatusTellsWhenTheAPITakesMore(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	for in, want := range map[string]bool{"-1 second": false, "1 hour": true} {
		execute(t, cfg, "update billonce.ledger set not_before = now() + interval '"+in+"'")
		if got := status(t, cfg).NotBefore; (got != nil) != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}
