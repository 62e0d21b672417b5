package web_test

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
	"github.com/billonce/billonce/internal/reconcile"
	"github.com/billonce/billonce/internal/web"
)

// served is a page over real HTTP, of a book in a real database. Ann decides, bob reads.
type served struct {
	*testing.T
	cfg *pgx.ConnConfig
	url string
}

// bookDesk is what `batch serve` puts behind the page.
type bookDesk struct {
	*pgdesk.Desk
	cfg  *pgx.ConnConfig
	book pgstore.DeskBook
}

func (b bookDesk) Status(ctx context.Context) (desk.Status, error) {
	return pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{Conn: b.cfg, Book: b.book, RunName: "invoices", Quick: true})
}

func (b bookDesk) Reconciliation(ctx context.Context, id string) (desk.Reconciled, []desk.Difference, error) {
	r, kept, err := b.Desk.Reconciliation(ctx, id)
	if err != nil {
		return r, nil, err
	}
	found, err := reconcile.Kept(kept)
	return r, found, err
}

// Search has a connection of its own.
func (b bookDesk) Search(ctx context.Context, by desk.SearchFor, text string, show func(desk.Hit) error) error {
	d, err := pgdesk.Open(ctx, b.cfg, b.book)
	if err != nil {
		return err
	}
	defer d.Close(context.WithoutCancel(ctx))
	return d.Search(ctx, by, text, show)
}

// serve serves the demo's book with n pending invoices, and what the statements leave.
func serve(t *testing.T, n int, statements ...string) *served {
	t.Helper()
	url := pgtest.DB(t, "demo", func(ctx context.Context, url string) error {
		cfg, err := pgstore.ParseURL(url, "test")
		if err == nil {
			err = pgstore.Seed(ctx, cfg, 0)
		}
		if err == nil {
			_, err = pgstore.Migrate(ctx, cfg, book.Demo())
		}
		return err
	})
	cfg, err := pgstore.ParseURL(url, "test")
	if err == nil {
		err = pgstore.Seed(t.Context(), cfg, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return serveIt(t, cfg, statements...)
}

// serveTexts serves a book whose keys are texts.
func serveTexts(t *testing.T, statements ...string) *served {
	t.Helper()
	url := pgtest.DB(t, "texts", func(ctx context.Context, url string) error {
		cfg, err := pgstore.ParseURL(url, "test")
		if err != nil {
			return err
		}
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "create table invoices (id text primary key, customer text, pending boolean default true, sent_at timestamptz)")
		if err = errors.Join(err, conn.Close(ctx)); err == nil {
			_, err = pgstore.Migrate(ctx, cfg, book.Demo())
		}
		return err
	})
	cfg, err := pgstore.ParseURL(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	return serveIt(t, cfg, statements...)
}

func serveIt(t *testing.T, cfg *pgx.ConnConfig, statements ...string) *served {
	t.Helper()
	s := &served{T: t, cfg: pgstore.Unprepared(cfg)}
	var err error
	for _, statement := range statements {
		s.execute(statement)
	}
	b := bookDesk{cfg: s.cfg, book: pgstore.DeskBook{Book: book.Demo()}}
	if b.Desk, err = pgdesk.Open(t.Context(), s.cfg, b.book); err != nil {
		t.Fatal(err)
	}
	c, faults := web.Parse(web.Settings{
		Addr: "127.0.0.1:0", UsersFile: users(t, map[string]string{"ann": "a", "bob": "b", "eve": "e"}), Deciders: "ann, eve",
	})
	if faults = append(faults, c.Read()...); len(faults) > 0 {
		t.Fatal(faults)
	}
	h, err := web.Handler(t.Context(), c, web.Page{Book: "invoices", Desk: b, Opened: b, Decider: b, Pauser: b, Searcher: b, Reconciler: b, Log: zerolog.New(zerolog.NewTestWriter(t))})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.url = server.URL
	return s
}

func (s *served) execute(statement string) {
	s.Helper()
	conn, err := pgx.ConnectConfig(s.Context(), s.cfg)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.PgConn().Exec(s.Context(), statement).Close(); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
}

// one is a single text from the database.
func (s *served) one(query string) (text string) {
	s.Helper()
	conn, err := pgx.ConnectConfig(s.Context(), s.cfg)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(s.Context(), query).Scan(&text); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return text
}

// left are deliveries in a state, whose request can no longer arrive.
func left(state string, ids string) string {
	return `insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at,
		updated_at, state, open_state, due_at, retry_since, doubtful, http_status, error, amount, currency, key_use)
	select id, gen_random_uuid(), gen_random_uuid(), 1, 1, now() - interval '3 days', now() - interval '3 days',
		now() - interval '3 days', s, case when s <> 'sent' and s <> 'cancelled' then s end, case when s = 'retry' then now() end,
		case when s = 'retry' then now() - interval '3 days' end, s = 'in_doubt', 503, 'HTTP 503 of ' || id, id * 10, 'EUR', 1
	from invoices, (values ('` + state + `')) v (s) where id in (` + ids + `)`
}

// states are the deliveries, and which invoices are pending.
func (s *served) states() string {
	s.Helper()
	return s.one(`select coalesce(string_agg(id || ':' || coalesce(state, '') || case when pending then '' else '!' end, ' ' order by id), '')
		from invoices left join billonce.deliveries on invoice_id = id`)
}

// get and post ask as somebody; their password is their name's first letter.
func (s *served) get(who, path string) (int, string) { return s.ask(who, "GET", path, nil, nil) }

func (s *served) post(who, path string, form url.Values) (int, string) {
	return s.ask(who, "POST", path, form, nil)
}

func (s *served) ask(who, method, path string, form url.Values, change func(*http.Request)) (int, string) {
	s.Helper()
	return s.askWith(who, method, path, strings.NewReader(form.Encode()), func(r *http.Request) {
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if change != nil {
			change(r)
		}
	})
}

func (s *served) askWith(who, method, path string, content io.Reader, change func(*http.Request)) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, content)
	if err != nil {
		s.Fatal(err)
	}
	if who != "" {
		r.SetBasicAuth(who, who[:1])
	}
	change(r)
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

var pickPattern = regexp.MustCompile(`name="pick" value="([^"]*)"`)

// picks are what the forms of a page offer.
func picks(page string) (all []string) {
	for _, m := range pickPattern.FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}
