package metrics

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"billonce/internal/billing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type answer billing.Reply

func (a answer) Send(context.Context, billing.Message, func() error) billing.Reply {
	return billing.Reply(a)
}

func sample() *Metrics {
	var t billing.Tally
	t.Sent.Store(7)
	t.InDoubt.Store(2)
	t.Requests.Store(9)
	return New(&t)
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	m := sample()
	m.Finish(billing.Summary{}, 0, time.Unix(1e9, 0))
	m.Sender(answer{Outcome: billing.Accepted}).Send(t.Context(), billing.Message{}, nil)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	m := sample()
	sender := m.Sender(answer{Outcome: billing.Refused})
	sender.Send(t.Context(), billing.Message{}, nil)
	m.Sender(answer{NotAsked: true}).Send(t.Context(), billing.Message{}, nil)
	addr, stop, err := m.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`billonce_deliveries_total{state="sent"} 7`,
		`billonce_deliveries_total{state="in_doubt"} 2`,
		`billonce_requests_total 9`,
		`billonce_request_duration_seconds_count{outcome="refused"} 1`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "last_success") {
		t.Error("a success is shown before there was one")
	}
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	var path, method string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, method = r.URL.Path, r.Method
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer gateway.Close()
	defer http.DefaultClient.CloseIdleConnections()
	m := sample()
	m.Finish(billing.Summary{}, billing.ExitStopped, time.Now())
	if err := m.Push(t.Context(), gateway.URL, "invoices"); err != nil {
		t.Fatal(err)
	}
	// POST adds: what this push does not name (the last success) stays.
	if method != http.MethodPost || path != "/metrics/job/billonce/run_name/invoices" {
		t.Errorf("%s %s", method, path)
	}
	err := m.Push(t.Context(), "http://user:s3cr3t@127.0.0.1:1", "invoices")
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("a gateway that is not there: %v", err)
	}
}
