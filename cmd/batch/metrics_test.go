package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

func pushGateway(t *testing.T, status int) (url string, paths <-chan string) {
	t.Helper()
	out := make(chan string, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		out <- r.URL.Path
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, out
}

// The Pushgateway keeps one set of metrics a group: pods that shared one would
// each put their own counts in the other's place.
func TestPodsOfOneRunPushSideBySide(t *testing.T) {
	t.Parallel()
	url, paths := pushGateway(t, http.StatusOK)
	b := newBook(t, 20, billingfake.Config{})
	first := b.start("RUN_LOCK=shared", "PUSHGATEWAY_URL="+url, "JOB_COMPLETION_INDEX=0")
	second := b.start("RUN_LOCK=shared", "PUSHGATEWAY_URL="+url, "JOB_COMPLETION_INDEX=1")
	first.wantExit(0)
	second.wantExit(0)
	// The order of labels in a path is the client's whim.
	seen := []string{<-paths, <-paths}
	for _, index := range []string{"0", "1"} {
		if !slices.ContainsFunc(seen, func(p string) bool { return strings.Contains(p, "/completion_index/"+index) }) {
			t.Errorf("nothing of pod %s among the pushes to %v", index, seen)
		}
	}
}

// A gateway that refuses changes nothing about the run, and its log is no place
// for the gateway's password.
func TestARefusedPushIsAWarningWithoutThePassword(t *testing.T) {
	t.Parallel()
	url, _ := pushGateway(t, http.StatusUnauthorized)
	b := newBook(t, 1, billingfake.Config{})
	p := b.start("PUSHGATEWAY_URL=" + strings.Replace(url, "http://", "http://user:s3cr3t@", 1))
	p.wantExit(0)
	if out := p.output(); strings.Contains(out, "s3cr3t") || !strings.Contains(out, "can't push the metrics") {
		t.Error("the log shows the password, or no warning")
	}
}

// Two runs on one host may be given one address: both bill.
func TestABusyMetricsAddressIsAWarning(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := newBook(t, 1, billingfake.Config{})
	p := b.start("METRICS_ADDR=" + l.Addr().String())
	p.wantExit(0)
	b.wantStates("sent/false=1")
	if !strings.Contains(p.output(), "can't serve the metrics") {
		t.Errorf("no warning:\n%s", p.output())
	}
}
