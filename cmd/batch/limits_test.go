package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const twenty = `create table invoices (id bigint primary key, pending bool default true, sent_at timestamptz);
	insert into invoices select generate_series(1, 20)`

// The first five are through before the sixth begins.
func TestCanaryThenTheRest(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		var five sync.WaitGroup
		five.Add(5)
		var through atomic.Int64
		api := newServer(t, func(_ http.ResponseWriter, _ asked, n int) {
			if n > 5 {
				if through.Load() < 5 {
					t.Errorf("request %d came while the canary's were in flight", n)
				}
				return
			}
			five.Done()
			five.Wait()
			through.Add(1)
		})
		s := newShop(t, twenty, strategy, "RUN_CANARY=5", "BILLING_URL="+api.URL+"/{id}")
		s.batch(0, "migrate")
		_, said := s.batch(0, "run")
		if n := len(api.asked()); n != 20 || !strings.Contains(said, "sending the rest") {
			t.Errorf("%d requests, and it says:\n%s", n, said)
		}
		s.wants("select count(*)::text from invoices where pending", "0")
	})
}

// None of the five is accepted: the rest is not sent, whatever became of the five.
func TestCanaryStopsTheRun(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refused": 402, "error": 500, "unavailable": 503} {
		for _, idempotent := range []string{"true", "false"} {
			t.Run(name+"/idempotent_"+idempotent, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, func(w http.ResponseWriter, _ asked, _ int) { w.WriteHeader(status) })
				s := newShop(t, twenty, "RUN_CANARY=5", "LINGER=60s", "BILLING_IDEMPOTENT="+idempotent, "BILLING_URL="+api.URL+"/{id}")
				s.batch(0, "migrate")
				_, said := s.batch(4, "run")
				if n := len(api.asked()); n != 5 {
					t.Errorf("%d requests, want the canary's 5", n)
				}
				for _, want := range []string{"of the invoices that were sent first none was accepted", "none of the invoices that were sent first was accepted, and the rest was not sent: 0 sent"} {
					if !strings.Contains(said, want) {
						t.Errorf("it does not say %q:\n%s", want, said)
					}
				}
				s.wants("select count(*)::text from invoices where pending", "20")
				s.wants("select exit_code || ' ' || (summary ->> 'stopped') from billonce.runs", "4 canary")
			})
		}
	}
}

// Throttled ones are waited for, and count for nothing; one that is accepted is enough.
func TestCanaryWaitsForThrottled(t *testing.T) {
	t.Parallel()
	api := newServer(t, func(w http.ResponseWriter, _ asked, n int) {
		switch {
		case n <= 3:
			w.WriteHeader(429)
		case n <= 6:
			w.WriteHeader(402)
		}
	})
	s := newShop(t, twenty, "RUN_CANARY=5", "LINGER=30s", "BILLING_URL="+api.URL+"/{id}")
	s.batch(0, "migrate")
	_, said := s.batch(3, "run")
	if n := len(api.asked()); n != 23 || !strings.Contains(said, "sending the rest") {
		t.Errorf("%d requests, and it says:\n%s", n, said)
	}
}

// Settings are new until a request was accepted under them: a few invoices from all over
// the book go first, and the changed variables are named.
func TestAFewGoFirstAfterAChange(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	api := newServer(t, func(w http.ResponseWriter, _ asked, _ int) {
		if refuse.Load() {
			w.WriteHeader(402)
		}
	})
	s := newShop(t, twenty, "LINGER=30s", "BILLING_URL="+api.URL+"/{id}", "BILLING_HEADERS=X-Key: one, X-Of: {id}")
	delete(s.env, "RUN_CANARY")
	s.batch(0, "migrate")
	_, said := s.batch(0, "run")
	if n := len(api.asked()); n != 20 || !strings.Contains(said, "a few invoices go first") {
		t.Errorf("%d requests, and it says:\n%s", n, said)
	}
	head := 0
	for _, a := range api.asked()[:5] {
		if len(a.uri) == len("/7") {
			head++
		}
	}
	if head == 5 {
		t.Error("the first five are the head of the book")
	}
	s.env["BILLING_HEADERS"] = "X-Key: another secret, X-Of: {id}"
	s.sql("update invoices set id = id + 100, pending = true")
	if _, said = s.batch(0, "run"); strings.Contains(said, "go first") {
		t.Errorf("a new secret is no change:\n%s", said)
	}
	s.env["BILLING_URL"], s.env["BILLING_METHOD"] = api.URL+"/v2/{id}", "PUT"
	s.sql("update invoices set id = id + 100, pending = true")
	refuse.Store(true)
	for range 2 {
		before := len(api.asked())
		_, said = s.batch(4, "run")
		if n := len(api.asked()) - before; n != 5 || !strings.Contains(said, "BILLING_METHOD") || !strings.Contains(said, "BILLING_URL") || strings.Contains(said, "secret") {
			t.Errorf("%d requests, and it says:\n%s", n, said)
		}
	}
	refuse.Store(false)
	_, said = s.batch(3, "run")
	if !strings.Contains(said, "sending the rest") {
		t.Errorf("it says:\n%s", said)
	}
	s.wants("select count(*)::text from invoices where pending", "10")
}

// A predicate that lost its WHERE: far more than usual is refused before the first request.
func TestMaxPending(t *testing.T) {
	t.Parallel()
	api := newServer(t, nil)
	s := newShop(t, twenty+"; alter table invoices add amount numeric default 10.5, add currency text default 'EUR'", "RUN_MAX_PENDING=19", "BILLING_URL="+api.URL+"/{id}")
	s.batch(0, "migrate")
	_, said := s.batch(5, "run")
	if n := len(api.asked()); n != 0 || !strings.Contains(said, "this run could send 20 invoices of 210.0 EUR, and the limit is 19") || !strings.Contains(said, "--max-pending 20") {
		t.Errorf("%d requests, and it says:\n%s", n, said)
	}
	s.batch(5, "run", "--max-pending", "18")
	s.batch(0, "run", "--only", "7")
	s.env["RUN_MAX_PENDING"] = "3x"
	for night := range 3 {
		s.env["JOB_NAME"] = "night-" + strconv.Itoa(night)
		s.sql("update invoices set pending = false")
		s.sql("insert into invoices select g from generate_series(" + strconv.Itoa(100*night+100) + ", " + strconv.Itoa(100*night+103) + ") g")
		if _, said := s.batch(0, "run"); strings.Contains(said, "can't tell yet") != (night < 2) {
			t.Errorf("night %d: %s", night, said)
		}
		s.batch(0, "run") // the Job's second pod finds nothing
	}
	s.env["JOB_NAME"] = "night-3"
	s.sql("insert into invoices select g from generate_series(1001, 1013) g")
	before := len(api.asked())
	if _, said = s.batch(5, "run"); !strings.Contains(said, "could send 13 invoices of 136.5 EUR, and the limit is 12 (3x of 4") {
		t.Errorf("it says:\n%s", said)
	}
	s.batch(0, "run", "--max-pending", "13")
	if n := len(api.asked()) - before; n != 13 {
		t.Errorf("%d requests", n)
	}
}

func TestCanaryBesideOtherLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  []string
		only string
		want int
		says string
	}{
		"more than there are":  {[]string{"RUN_CANARY=50"}, "", 20, "done: 20 sent"},
		"more than may be":     {[]string{"RUN_CANARY=5", "RUN_LIMIT=3"}, "", 3, "RUN_LIMIT reached: 3 sent"},
		"all that may be":      {[]string{"RUN_CANARY=5", "RUN_LIMIT=5"}, "", 5, "RUN_LIMIT reached: 5 sent"},
		"less than may be":     {[]string{"RUN_CANARY=5", "RUN_LIMIT=8"}, "", 8, "RUN_LIMIT reached: 8 sent"},
		"of a few":             {[]string{"RUN_CANARY=1"}, "3,4,5", 3, "done: 3 sent"},
		"one at a time, small": {[]string{"RUN_CANARY=3", "CLAIM_SIZE=1", "CONCURRENCY=1"}, "", 20, "done: 20 sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, nil)
			s := newShop(t, twenty, append(c.env, "BILLING_URL="+api.URL+"/{id}")...)
			s.batch(0, "migrate")
			args := []string{"run"}
			if c.only != "" {
				args = append(args, "--only", c.only)
			}
			_, said := s.batch(0, args...)
			if n := len(api.asked()); n != c.want || !strings.Contains(said, c.says) {
				t.Errorf("%d requests, want %d, and it says:\n%s", n, c.want, said)
			}
		})
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  string
		only string
		exit int
		want string // what the API was asked
		says string
	}{
		"two":           {"LOCK_STRATEGY=advisory", "7,9", 0, "/7 /9", "done: 2 sent"},
		"row":           {"LOCK_STRATEGY=row", "9,7", 0, "/7 /9", "done: 2 sent"},
		"shared":        {"RUN_LOCK=shared", "20,1,11", 0, "/1 /11 /20", "done: 3 sent"},
		"small claims":  {"CLAIM_SIZE=1", "20,1,11", 0, "/1 /11 /20", "done: 3 sent"},
		"twice":         {"CLAIM_SIZE=5", "7,7", 0, "/7", "done: 1 sent"},
		"otherwise":     {"CLAIM_SIZE=5", "007, +8", 0, "/7 /8", "done: 2 sent"},
		"not pending":   {"CLAIM_SIZE=5", "2,7", 0, "/7", "skipped an invoice that is not pending"},
		"missing":       {"CLAIM_SIZE=5", "7,21,22", 2, "", "INVOICES_TABLE has no invoice 21, 22; nothing was sent"},
		"no id":         {"CLAIM_SIZE=5", "7,x", 2, "", "--only: what is given is not an id of this book's invoices: invalid input syntax for type bigint: \"x\""},
		"out of range":  {"CLAIM_SIZE=5", "99999999999999999999", 2, "", "is not an id"},
		"an empty one":  {"CLAIM_SIZE=5", "7,", 2, "", "--only has an empty id"},
		"nothing":       {"CLAIM_SIZE=5", "", 2, "", "--only names no invoice"},
		"with injected": {"CLAIM_SIZE=5", `7) or (true`, 2, "", "is not an id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, nil)
			s := newShop(t, twenty+"; update invoices set pending = false where id = 2", c.env, "BILLING_URL="+api.URL+"/{id}")
			s.batch(0, "migrate")
			_, said := s.batch(c.exit, "run", "--only", c.only)
			var got []string
			for _, a := range api.asked() {
				got = append(got, a.uri)
			}
			slices.Sort(got)
			if uris := strings.Join(got, " "); uris != c.want || !strings.Contains(said, c.says) {
				t.Errorf("the API was asked %q, want %q, and it says:\n%s", uris, c.want, said)
			}
		})
	}
}
