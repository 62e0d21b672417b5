package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// asked is a request as a server got it.
type asked struct {
	method, uri, proto, body string
	header                   http.Header
}

// server records what it is asked, and answers as it is told.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []asked
}

// newServer answers 200 where reply is nil.
func newServer(t testing.TB, reply func(w http.ResponseWriter, a asked, n int), setUp ...func(*httptest.Server)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a := asked{r.Method, r.RequestURI, r.Proto, string(body), r.Header}
		s.mu.Lock()
		s.seen = append(s.seen, a)
		n := len(s.seen)
		s.mu.Unlock()
		if reply != nil {
			reply(w, a, n)
		}
	}))
	for _, f := range setUp {
		f(s.Server)
	}
	if s.URL == "" {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// shop is a database of somebody's own, and batch in its environment.
type shop struct {
	t   testing.TB
	url string
	env map[string]string
}

func newShop(t testing.TB, setUp string, env ...string) *shop {
	t.Helper()
	s := &shop{t: t, url: pgtest.DB(t, "empty", nil), env: map[string]string{}}
	s.env["DATABASE_URL"], s.env["LINGER"], s.env["LOG_FORMAT"] = s.url, "0s", "console"
	s.env["RUN_CANARY"] = "0"
	s.set(env...)
	s.sql(setUp)
	return s
}

func (s *shop) set(env ...string) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		s.env[name] = value
	}
}

func (s *shop) connect() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(s.t.Context()), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s *shop) sql(statements string) {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	if err := conn.PgConn().Exec(context.WithoutCancel(s.t.Context()), statements).Close(); err != nil {
		s.t.Fatalf("%s: %v", statements, err)
	}
}

// ask asks the database for one text.
func (s *shop) ask(statement string) (text string) {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	if err := conn.QueryRow(s.t.Context(), statement).Scan(&text); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	return text
}

func (s *shop) wants(statement, want string) {
	s.t.Helper()
	if got := s.ask(statement); got != want {
		s.t.Errorf("%s\n got: %s\nwant: %s", statement, got, want)
	}
}

// says runs the program, and wants these words in its output.
func (s *shop) says(want string, args ...string) {
	s.t.Helper()
	if out, _ := s.batch(0, args...); !strings.Contains(out, want) {
		s.t.Errorf("batch %s does not say %q:\n%s", strings.Join(args, " "), want, out)
	}
}

// anyCode is where the exit code is not what a test is about.
const anyCode = -1

// batch runs the program itself, and wants this exit code; it returns what it said.
func (s *shop) batch(want int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	var environ []string
	for name, value := range s.env {
		environ = append(environ, name+"="+value)
	}
	var out, err bytes.Buffer
	if got := run(s.t.Context(), args, environ, &out, &err); got != want && want != anyCode {
		s.t.Errorf("batch %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &err)
	}
	return out.String(), err.String()
}
