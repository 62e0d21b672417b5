package web_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// An invoice is found by its own id, by the API's, and by the key of any of its attempts.
func TestSearch(t *testing.T) {
	t.Parallel()
	s := serve(t, 3, left("sent", "1,2"), `update billonce.deliveries set reply_id = 'in_<b>' || invoice_id,
			idempotency_key = ('00000000-0000-5000-8000-00000000000' || invoice_id)::uuid;
		insert into billonce.history (invoice_id, kind, attempt, state, settled_at, first_sent_at, doubtful, run_id, idempotency_key)
		values (2, 'attempt', 1, 'failed', now(), now(), false, gen_random_uuid(), '10000000-0000-5000-8000-000000000002')`)
	for name, c := range map[string]struct {
		query, want, not string
		code             int
	}{
		"its own id":         {"q=3", "", "", 303},
		"nothing":            {"q=", "Write an invoice's id", "", 200},
		"no id":              {"q=in_%3Cb%3E1", "search?by=reply_id&amp;q=in_%3cb%3e1", "by=idempotency_key", 200},
		"perhaps a key":      {"q=00000000-0000-5000-8000-000000000001", "by=idempotency_key", "", 200},
		"the API's id":       {"by=reply_id&q=in_%3Cb%3E1", `href="invoice?id=1"`, "<b>", 200},
		"a key":              {"by=idempotency_key&q=00000000-0000-5000-8000-000000000002", `href="invoice?id=2"`, "earlier", 200},
		"a key, in hex":      {"by=idempotency_key&q=00000000000050008000000000000002", `href="invoice?id=2"`, "earlier", 200},
		"an earlier one":     {"by=idempotency_key&q=10000000-0000-5000-8000-000000000002", "its attempt 1, an earlier one", `id=1"`, 200},
		"no key":             {"by=idempotency_key&q=%27+or+true--", "it is a UUID", "href=\"invoice?", 200},
		"nobody's":           {"by=reply_id&q=%25", "No invoice has it", "href=\"invoice?", 200},
		"by something else":  {"by=customer&q=1", "No such search", "", 404},
		"with a zero byte":   {"q=%00", "No invoice has the id", "", 200},
		"a zero byte, there": {"by=reply_id&q=%00", "No invoice has it", "", 200},
	} {
		code, page := s.get("bob", "/search?"+c.query)
		if code != c.code || !strings.Contains(page, c.want) || c.not != "" && strings.Contains(page, c.not) {
			t.Errorf("%s: %d, want %d\n%s", name, code, c.code, page)
		}
	}
}

// One searches at a time, and whoever leaves takes the search along.
func TestASearchEndsAsItsReaderLeaves(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("sent", "1"))
	conn, err := pgx.ConnectConfig(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "lock table billonce.history in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/search?by=reply_id&q=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("bob", "b")
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 1)
	if _, err := io.ReadFull(reply.Body, head); err != nil {
		t.Fatalf("it is not shown as it goes: %v", err)
	}
	searching := func() string {
		return s.one("select count(*)::text from pg_stat_activity where query like '%reply_id = $%' and state = 'active' and datname = current_database() and pid <> pg_backend_pid()")
	}
	for searching() != "1" { // it begins after its page's head
	}
	if code, _ := s.get("eve", "/search?by=reply_id&q="+url.QueryEscape("y")); code != 503 {
		t.Errorf("a second search: %d, want 503", code)
	}
	leave()
	_ = reply.Body.Close()
	for searching() != "0" { // or the test's own deadline
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		if code, _ := s.get("eve", "/search?by=reply_id&q=x"); code == 200 {
			return
		}
	}
}
