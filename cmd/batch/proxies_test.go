package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// forwardProxy is a forward proxy that leads every host to one address.
type forwardProxy struct {
	*server
	to      string // where CONNECT leads
	tunnels atomic.Int64
	open    sync.WaitGroup
}

const proxyAuthorization = "Basic bWU6cHIweHktczNjcjN0" // me:pr0xy-s3cr3t

func newForwardProxy(t *testing.T, to string) *forwardProxy {
	p := &forwardProxy{to: to}
	p.server = newServer(t, nil, func(s *httptest.Server) {
		s.Config.Handler = http.HandlerFunc(p.serve)
	})
	t.Cleanup(p.open.Wait)
	return p
}

func (p *forwardProxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Proxy-Authorization") != proxyAuthorization {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		p.mu.Lock()
		p.seen = append(p.seen, asked{method: r.Method, uri: r.RequestURI})
		p.mu.Unlock()
		return
	}
	p.tunnels.Add(1)
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	pipe := func(a, b net.Conn) {
		_, _ = io.Copy(a, b)
		_ = a.Close()
	}
	p.open.Go(func() { pipe(here, there) })
	p.open.Go(func() { pipe(there, here) })
}

// process runs `batch run` as a process: net/http reads the proxy's variables from
// the process's own environment, once.
func (s *shop) process(want int, env ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], "run")
	cmd.Env = append(os.Environ(), asBatch+"=1")
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, env...)
	said, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		s.t.Errorf("exit code %d, want %d (%v)\n%s", got, want, err, said)
	}
	return string(said)
}

// Proxies are named by the usual variables. Their passwords are secrets, too.
func TestProxies(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, c := range map[string]struct {
		scheme, proxyUser string
		want              int
		noProxy           string
	}{
		"http":              {"http", "me:pr0xy-s3cr3t@", 0, ""},
		"https":             {"https", "me:pr0xy-s3cr3t@", 0, ""},
		"http, a stranger":  {"http", "me:wr0ng-s3cr3t@", 4, ""},
		"https, a stranger": {"https", "me:wr0ng-s3cr3t@", 4, ""},
		"no proxy":          {"http", "me:pr0xy-s3cr3t@", 4, "billing.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, nil, ca.serveTLS(true, nil))
			p := newForwardProxy(t, strings.TrimPrefix(api.URL, "https://"))
			s := newShop(t, two, "BILLING_URL="+c.scheme+"://billing.test/v1/{id}", "BILLING_TIMEOUT=20s", "BILLING_MAX_ATTEMPTS=1")
			if c.scheme == "https" {
				s.set("BILLING_TLS_CA_FILE=" + file(t, ca.pem))
			}
			s.batch(0, "migrate")
			at := strings.Replace(p.URL, "http://", "http://"+c.proxyUser, 1)
			said := s.process(c.want, "HTTP_PROXY="+at, "HTTPS_PROXY="+at, "NO_PROXY="+c.noProxy)
			if strings.Contains(said, "s3cr3t") {
				t.Errorf("it shows the proxy's password:\n%s", said)
			}
			through := len(p.asked()) // requests in the clear
			if c.scheme == "https" {
				through = len(api.asked())
			}
			want := map[bool]int{true: 2, false: 0}[c.want == 0]
			if through != want || (p.tunnels.Load() > 0) != (c.scheme == "https" && c.want == 0) {
				t.Errorf("%d requests came through, want %d; %d tunnels", through, want, p.tunnels.Load())
			}
			s.wants("select string_agg(distinct state, ' ') from billonce.deliveries", map[bool]string{true: "sent", false: "retry"}[c.want == 0])
		})
	}
}
