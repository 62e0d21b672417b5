package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// receiver is a real server that keeps what it got.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []string // method, path, type and body

	check func(r *http.Request, contentType, body string) // nil: anything is right
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, fmt.Sprintf("%s %s %s %s", req.Method, req.URL.RequestURI(), req.Header.Get("Content-Type"), body))
		r.mu.Unlock()
		if r.check != nil {
			r.check(req, req.Header.Get("Content-Type"), string(body))
		}
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func parsed(t *testing.T, s Settings) Config {
	t.Helper()
	c, faults := Parse(s)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return c
}

func message() Message {
	return Message{
		News: billing.NewsOpen, RunName: "invoices", RunID: "r", ExitCode: 3, At: time.Unix(1e9, 0),
		Open: map[billing.OpenKind]int64{billing.OpenInDoubt: 2, billing.OpenFailed: 1},
	}
}

func TestWhatNotifyURLTakes(t *testing.T) {
	t.Parallel()
	const text = "Billonce, invoices: 3 invoices wait for a person: 2 in doubt, 1 refused by the API. `batch status --open` shows them."
	for name, c := range map[string]struct{ body, want string }{
		"Slack":  {`{"text": {{json .text}}}`, `application/json {"text": "` + text + `"}`},
		"a form": {"subject=Billonce&text={{urlquery .run_name}}", "application/x-www-form-urlencoded subject=Billonce&text=invoices"},
		"text":   {"{{.text}}", "text/plain; charset=utf-8 " + text},
	} {
		r := newReceiver(t, nil)
		if err := New(parsed(t, Settings{NotifyURL: r.URL + "/hook?x=1", NotifyBody: c.body})).Notify(t.Context(), message()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(r.got, "\n"); got != "POST /hook?x=1 "+c.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	r := newReceiver(t, nil)
	if err := New(parsed(t, Settings{NotifyURL: r.URL})).Notify(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(r.got[0], "json ")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"event": "open", "text": text, "open": 3.0, "in_doubt": 2.0, "exit_code": 3.0, "run_name": "invoices", "at": "2001-09-09T01:46:40Z"} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// Only 2xx is taken, and no error shows the URL.
func TestWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"301": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		},
		"no HTTP": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		r := newReceiver(t, answer)
		err := New(parsed(t, Settings{NotifyURL: r.URL + "/s3cret"})).Notify(t.Context(), message())
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/s3cret", "http://no-such-host.invalid/s3cret", "http://me:s3cret@127.0.0.1:1"} {
		teller := New(parsed(t, Settings{NotifyURL: url, PingURL: url}))
		for _, err := range []error{teller.Notify(t.Context(), message()), teller.PingEnd(t.Context(), true, nil)} {
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	teller := New(parsed(t, Settings{PingURL: r.URL + "/ping/uuid?create=1"}))
	teller.PingStart(t.Context(), func(err error) { t.Error(err) })
	for _, success := range []bool{true, false} {
		if err := teller.PingEnd(t.Context(), success, []byte(`{"sent":1}`)); err != nil {
			t.Error(err)
		}
	}
	want := `POST /ping/uuid/start?create=1  ` + "\n" +
		`POST /ping/uuid?create=1 application/json {"sent":1}` + "\n" +
		`POST /ping/uuid/fail?create=1 application/json {"sent":1}`
	if got := strings.Join(r.got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A server that never answers holds the run's end up for no longer than Timeout,
// whatever else hangs beside it.
func TestNobodyIsWaitedForLong(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-gone })
	t.Cleanup(func() { close(gone) })
	teller := New(parsed(t, Settings{NotifyURL: r.URL, PingURL: r.URL}))
	teller.PingStart(t.Context(), func(error) {})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*Timeout, errors.New("it waits for ever"))
	defer cancel()
	var all sync.WaitGroup
	for _, tell := range []func() error{
		func() error { return teller.Notify(ctx, message()) },
		func() error { return teller.PingEnd(ctx, true, nil) },
	} {
		all.Go(func() {
			if err := tell(); err == nil || !strings.Contains(err.Error(), "no answer within 3s") {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Error(err)
	}
}

// What is wrong is said by its place, and quotes nothing: a body may hold a secret.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{
		{NotifyURL: "http://x", NotifyBody: "token=s3cret&{{.customer}}"},
		{NotifyURL: "http://x", NotifyBody: "{{s3cret}}"},
		{NotifyURL: "http://x", NotifyBody: `{{if eq .event "open"}}{{.s3cret}}{{end}}`},
		{NotifyBody: "{{.text}}"},
	} {
		_, faults := Parse(s)
		if len(faults) != 1 || strings.Contains(faults[0].Problem, "s3cret") {
			t.Errorf("%s: %v", s.NotifyBody, faults)
		}
	}
}
