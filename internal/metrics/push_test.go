package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/billonce/billonce/internal/billing"
)

// received is what a gateway was sent.
type received struct {
	method   string
	path     string
	families map[string]*dto.MetricFamily
}

// gateway answers every push with a status, and decodes it as a Pushgateway does.
func gateway(t *testing.T, status int, reply string) (url string, pushes <-chan received) {
	t.Helper()
	out := make(chan received, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := received{r.Method, r.URL.EscapedPath(), map[string]*dto.MetricFamily{}}
		decoder := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
		for {
			var family dto.MetricFamily
			err := decoder.Decode(&family)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("decode the push: %v", err)
				break
			}
			got.families[family.GetName()] = &family
		}
		out <- got
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(server.Close)
	return server.URL, out
}

func TestPushHoldsTheRunsEnd(t *testing.T) {
	t.Parallel()
	url, pushes := gateway(t, http.StatusAccepted, "")
	m := sample()
	summary := counted(5, 7)
	summary.Elapsed, summary.Submitted = 90*time.Second, 4
	m.Finish(End{Summary: summary, Code: billing.ExitPerson, At: time.Unix(1e9, 0), Pending: 12})
	if err := m.Push(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	got := (<-pushes).families
	for name, want := range map[string]float64{
		"billonce_run_exit_code": 3, "billonce_run_duration_seconds": 90,
		"billonce_run_last_end_timestamp_seconds": 1e9, "billonce_open": 12, "billonce_in_doubt": 5, "billonce_failed": 7, "billonce_submitted": 4, "billonce_pending": 12,
	} {
		if family := got[name]; family == nil || family.GetMetric()[0].GetGauge().GetValue() != want {
			t.Errorf("%s is %v, want %v", name, family, want)
		}
	}
	if n := got["billonce_requests_total"].GetMetric()[0].GetCounter().GetValue(); n != 9 {
		t.Errorf("%v requests, want 9", n)
	}
	if got["billonce_run_last_success_timestamp_seconds"] != nil {
		t.Error("a run that needs a person takes the last success's place")
	}
}

// A push replaces families of the same names only: what a run without requests
// leaves out would stay there from the run before.
func TestPushLeavesNoHistogramOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	url, pushes := gateway(t, http.StatusAccepted, "")
	if err := New(new(billing.Tally)).Push(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	if family := (<-pushes).families["billonce_request_duration_seconds"]; len(family.GetMetric()) != 6 {
		t.Errorf("%d outcomes in the histogram of a run without requests, want all 6", len(family.GetMetric()))
	}
}

func TestPushErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	refusing, _ := gateway(t, http.StatusUnauthorized, "s3cr3t was not the password")
	withUser := func(url string) string { return strings.Replace(url, "http://", "http://user:s3cr3t@", 1) }
	for name, url := range map[string]string{
		"nobody listens": "http://user:s3cr3t@127.0.0.1:1",
		"it refuses":     withUser(refusing),
		"malformed":      "http://user:s3cr3t/@127.0.0.1:9091",
	} {
		err := sample().Push(t.Context(), url, nil)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sample().Push(t.Context(), withUser(refusing), nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("the status is not named: %v", err)
	}
}

func TestPushNamesItsTimeout(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server would not notice that the client is gone
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	m := sample()
	m.pushTimeout = 10 * time.Millisecond
	err := m.Push(t.Context(), silent.URL, nil)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "push timeout") {
		t.Errorf("got %v", err)
	}
}

func TestPushGroups(t *testing.T) {
	t.Parallel()
	url, pushes := gateway(t, http.StatusOK, "")
	if err := sample().Push(t.Context(), url, map[string]string{"run_name": `billing."Invoice"`}); err != nil {
		t.Fatal(err)
	}
	// POST adds: what this push does not name (the last success) stays.
	got := <-pushes
	if got.method != http.MethodPost || got.path != "/metrics/job/billonce/run_name/billing.%22Invoice%22" {
		t.Errorf("%s %s", got.method, got.path)
	}
}

func TestPushThatIsSentElsewhereIsNoSuccess(t *testing.T) {
	t.Parallel()
	login, _ := gateway(t, http.StatusOK, "please sign in")
	server := httptest.NewServer(http.RedirectHandler(login, http.StatusFound))
	t.Cleanup(server.Close)
	if err := sample().Push(t.Context(), server.URL, nil); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("got %v", err)
	}
}
