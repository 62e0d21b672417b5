package metrics

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/billonce/billonce/internal/billing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type answer billing.Reply

func (a answer) Send(context.Context, billing.Request, func() error) billing.Reply {
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
	m.Finish(End{At: time.Unix(1e9, 0)})
	m.Sender(answer{Outcome: billing.Accepted}).Send(t.Context(), billing.Request{}, nil)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	m := sample()
	sender := m.Sender(answer{Outcome: billing.Refused})
	sender.Send(t.Context(), billing.Request{}, nil)
	m.Sender(answer{NotAsked: true}).Send(t.Context(), billing.Request{}, nil)
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

// A scrape during the run sees no end: an exit code of 0 would be a lie.
func TestNoEndIsShownBeforeItCame(t *testing.T) {
	t.Parallel()
	m := sample()
	names := []string{
		"billonce_run_exit_code", "billonce_run_duration_seconds", "billonce_run_last_end_timestamp_seconds",
		"billonce_run_last_success_timestamp_seconds", "billonce_open", "billonce_in_doubt", "billonce_in_doubt_oldest_timestamp_seconds", "billonce_failed", "billonce_submitted", "billonce_pending", "billonce_run_stopped",
	}
	for _, step := range []struct {
		end  func()
		want int
	}{
		{func() {}, 0},
		{func() {
			m.Finish(End{Summary: billing.Summary{Stopped: billing.StoppedByLockLost}, Code: billing.ExitStopped, Pending: -1})
		}, 3 + len(stopReasons())}, // what is open was not counted
		{func() { m.Finish(End{Summary: counted(0, 0), Code: billing.ExitDone}) }, 10 + len(stopReasons())},
	} {
		step.end()
		if n, err := testutil.GatherAndCount(m.registry, names...); err != nil || n != step.want {
			t.Errorf("%d metrics of the end, want %d (%v)", n, step.want, err)
		}
	}
	if n := testutil.ToFloat64(m.lockLost); n != 1 {
		t.Errorf("%v locks lost, want 1", n)
	}
}

// A pause is shown by the run that it ended, and by those that it kept from beginning.
func TestPausedIsShown(t *testing.T) {
	t.Parallel()
	const shown = "# HELP billonce_paused 1 if the last run found its book paused, by a person.\n# TYPE billonce_paused gauge\nbillonce_paused "
	m := sample()
	for want, m := range map[string]*Metrics{"0\n": m, "1\n": Paused()} {
		if err := testutil.GatherAndCompare(m.registry, strings.NewReader(shown+want), "billonce_paused"); err != nil {
			t.Error(err)
		}
	}
	m.Finish(End{Summary: billing.Summary{Stopped: billing.StoppedByPause}, Code: billing.ExitStopped})
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(shown+"1\n"), "billonce_paused"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(Paused().registry); err != nil || n != 1 {
		t.Errorf("a paused run shows %d metrics, %v", n, err)
	}
}

func TestSenderMeasuresByOutcome(t *testing.T) {
	t.Parallel()
	m := New(new(billing.Tally))
	for _, reply := range []answer{
		{Outcome: billing.Accepted},
		{Outcome: billing.Accepted},
		{Outcome: billing.Refused},
		{Outcome: billing.NotSent},
		{Outcome: billing.Throttled},
		{Outcome: billing.Unknown},
		{Outcome: billing.NotSent, NotAsked: true},
	} {
		if got := m.Sender(reply).Send(t.Context(), billing.Request{}, nil); got != billing.Reply(reply) {
			t.Errorf("the reply became %+v", got)
		}
	}
	if n := testutil.ToFloat64(m.throttled); n != 1 {
		t.Errorf("%v throttled, want 1", n)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			if h := one.GetHistogram(); h != nil {
				got[one.GetLabel()[0].GetValue()] = h.GetSampleCount()
			}
		}
	}
	want := map[string]uint64{"accepted": 2, "refused": 1, "not_sent": 1, "submitted": 0, "throttled": 1, "unknown": 1}
	if !maps.Equal(got, want) {
		t.Errorf("measured %v, want %v", got, want)
	}
}

func TestServeEndsThoughAScraperDawdles(t *testing.T) {
	t.Parallel()
	addr, stop, err := sample().Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dawdler, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer dawdler.Close()
	// Connections are accepted in their order: this one's reply says that the
	// server has the other.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("status %d", resp.StatusCode)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stop(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Well below readHeaderTimeout, which would end it too.
	if err := dawdler.SetReadDeadline(time.Now().Add(readHeaderTimeout / 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := dawdler.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection outlives the server")
	}
	if err := stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func TestServeNamesABusyAddress(t *testing.T) {
	t.Parallel()
	addr, stop, err := sample().Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := sample().Serve(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "METRICS_ADDR") {
		t.Errorf("got %v", err)
	}
	if err := stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Profiles tell more than other pods need know; a run that drains is not ready.
func TestServeKeepsProfilesToLoopback(t *testing.T) {
	t.Parallel()
	running, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status := func(addr, path string) int {
		resp, err := client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	var addrs []string
	for host, profiles := range map[string]int{"127.0.0.1": http.StatusOK, "0.0.0.0": http.StatusNotFound} {
		addr, stop, err := sample().Serve(running, host+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := stop(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		addr = strings.Replace(addr, "[::]", "127.0.0.1", 1)
		addrs = append(addrs, addr)
		if got := status(addr, "/debug/pprof/"); got != profiles {
			t.Errorf("profiles at %s: %d, want %d", host, got, profiles)
		}
		if got := status(addr, "/readyz"); got != http.StatusNoContent {
			t.Errorf("ready: %d", got)
		}
	}
	cancel()
	for _, addr := range addrs {
		if ready, healthy := status(addr, "/readyz"), status(addr, "/healthz"); ready != http.StatusServiceUnavailable || healthy != http.StatusNoContent {
			t.Errorf("draining: ready %d, healthy %d", ready, healthy)
		}
	}
}

// counted is a run's summary, once what is open was counted.
func counted(inDoubt, failed int64) (s billing.Summary) {
	s.CountOpen(billing.Open{Count: inDoubt + failed, Of: map[billing.OpenKind]int64{billing.OpenInDoubt: inDoubt, billing.OpenFailed: failed}})
	return s
}
