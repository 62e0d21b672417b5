package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// cuttable leads to the database, unless it is cut.
type cuttable struct {
	url string
	wg  sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newCuttable(t *testing.T, database string) *cuttable {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	c := &cuttable{url: u.String()}
	c.wg.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			c.lead(here, target)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.set(true)
		c.wg.Wait()
	})
	return c
}

func (c *cuttable) lead(here net.Conn, target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there, err := net.Dial("tcp", target)
	if c.cut || err != nil {
		_ = here.Close()
		if err == nil {
			_ = there.Close()
		}
		return
	}
	c.conns = append(c.conns, here, there)
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		c.wg.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
}

func (c *cuttable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// pageClient asks as ann, and keeps all that it was told.
type pageClient struct {
	*testing.T
	url  string
	told bytes.Buffer
}

func (p *pageClient) ask(method, path string, form url.Values) (int, string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ann", "an0ther-s3cret")
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		p.Fatal(err)
	}
	_ = reply.Header.Write(&p.told)
	p.told.Write(body)
	return reply.StatusCode, string(body)
}

var pickInForm = regexp.MustCompile(`name="pick" value="([^"]*)"`)

func picksOf(page string) (all []string) {
	for _, m := range pickInForm.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.NewReplacer("&#34;", `"`, "&#43;", "+", "&amp;", "&").Replace(m[1]))
	}
	return all
}

// The page outlives its database being away, decides nothing meanwhile, goes on as it is
// back, and says no secret, whatever happens.
func TestServeWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	b := newBook(t, 2, billingfake.Config{})
	b.execute(`insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at,
			updated_at, state, open_state, doubtful, error)
		select id, gen_random_uuid(), gen_random_uuid(), 1, 1, now() - interval '1 day', now() - interval '1 day', now() - interval '1 day',
			'in_doubt', 'in_doubt', true, 'no reply' from invoices`)
	database := newCuttable(t, b.url)
	hash, err := bcrypt.GenerateFromPassword([]byte("an0ther-s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"DATABASE_URL=" + database.url, "BILLING_TOKEN=t0ken-s3cret", "BILLING_URL=" + b.env["BILLING_URL"], "BILLING_SIGNING_SECRET=whsec_c2lnbi1zM2NyZXQtc2lnbi1zM2NyZXQtc2lnbi1zM2Ny",
		"NOTIFY_URL=https://notify.example/n0tify-s3cret", "SERVE_ADDR=127.0.0.1:0", "SERVE_USERS_FILE=" + users, "SERVE_DECIDERS=ann",
	}
	out, in := io.Pipe()
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve"}, env, in, &log)
		_ = in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v, %d\n%s", err, <-ended, log.String())
	}
	p := &pageClient{T: t, url: strings.TrimSuffix(strings.TrimSpace(line[strings.Index(line, "http"):]), "/")}
	paths := []string{"/", "/decide", "/open?kind=in_doubt", "/invoice?id=1", "/reconciled", "/search?q=2x", "/search?by=reply_id&q=x"}
	all := func(want int) {
		t.Helper()
		for _, path := range paths {
			if code, page := p.ask("GET", path, nil); code != want && !(want == 503 && strings.Contains(page, "t be read now")) && !strings.Contains(path, "q=2x") {
				t.Errorf("%s: %d, want %d\n%s", path, code, want, page)
			}
		}
	}
	all(200)
	_, list := p.ask("GET", "/open?kind=in_doubt", nil)
	_, preview := p.ask("POST", "/preview", url.Values{"pick": picksOf(list), "decision": {"cancel"}, "reason": {"as agreed"}})
	form := url.Values{"pick": picksOf(preview)}
	database.set(true)
	all(503)
	if code, page := p.ask("POST", "/confirm", form); code != 503 {
		t.Errorf("a decision while it is away: %d\n%s", code, page)
	}
	b.wantStates("in_doubt/true=2")
	database.set(false)
	all(200)
	if code, page := p.ask("POST", "/confirm", form); code != 200 {
		t.Errorf("once it is back: %d\n%s", code, page)
	}
	b.wantStates("cancelled/true=2")
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
	u, err := url.Parse(database.url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for _, secret := range []string{"t0ken-s3cret", "c2lnbi1zM2NyZXQ", "n0tify-s3cret", "an0ther-s3cret", string(hash), password, u.Host} {
		if secret != "" && strings.Contains(p.told.String(), secret) {
			t.Errorf("a page says %q", secret)
		}
		if secret != "" && secret != u.Host && strings.Contains(log.String(), secret) {
			t.Errorf("the log says %q", secret)
		}
	}
}
