package web_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/web"
)

// onLoopback is what somebody on the machine sees.
func onLoopback(t *testing.T, d web.Desk, path string) string {
	t.Helper()
	w := ask(page(t, web.Settings{}, d), "GET", path, func(r *http.Request) { r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1234" })
	if w.Code != http.StatusOK {
		t.Errorf("%s: %d", path, w.Code)
	}
	return w.Body.String()
}

// P11, P12: a database that was copied, restored or failed over does not look well, however
// its last run ended.
func TestP12ADatabaseThatMayHaveForgottenDoesNotLookWell(t *testing.T) {
	t.Parallel()
	d := quiet()
	done, code := d.status.At, billing.ExitDone
	d.status.Runs = []desk.Run{{ID: "1", StartedAt: done.Add(-time.Minute), FinishedAt: &done, ExitCode: &code}}
	here := billing.Identity{System: "1", Database: "2", Ledger: "3", Timeline: "4"}
	for name, c := range map[string]struct {
		accepted billing.Identity
		want     string
	}{
		"the same":    {here, "All is well"},
		"a copy":      {billing.Identity{System: "1", Database: "9", Ledger: "3", Timeline: "4"}, "Not trusted: this is a copy"},
		"a fail-over": {billing.Identity{System: "1", Database: "2", Ledger: "3", Timeline: "3"}, "Not trusted: it was failed over"},
		"a restore":   {billing.Identity{System: "8", Database: "2", Ledger: "3", Timeline: "4"}, "Not trusted: this is another cluster"},
	} {
		d.status.Identity, d.status.Accepted = here, &c.accepted
		if got := onLoopback(t, d, "/"); !strings.Contains(got, c.want) || strings.Count(got, "All is well")+strings.Count(got, "Not trusted") != 1 {
			t.Errorf("%s: want %q\n%s", name, c.want, got)
		}
	}
}

// A link that would run is none.
func TestALinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]bool{
		"https://books.example/in_1": true, "javascript:alert(1)": false, "JaVaScRiPt:alert(1)": false, "data:text/html,x": false, "vbscript:x": false,
		`https://books.example/"onclick="alert(1)`: false,
	} {
		d := quiet()
		d.history.Link = link
		if got := strings.Contains(onLoopback(t, d, "/invoice?id=1"), `href="`+link+`"`); got != want {
			t.Errorf("%s is a link: %t, want %t", link, got, want)
		}
	}
}

// With a certificate the page speaks TLS, of today's versions, and nothing else.
func TestThePageSpeaksTLS(t *testing.T) {
	t.Parallel()
	maker := httptest.NewTLSServer(nil)
	defer maker.Close()
	made := maker.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, faults := web.Parse(web.Settings{
		Addr: "127.0.0.1:0", TLSCertFile: file("crt", "CERTIFICATE", made.Certificate[0]), TLSKeyFile: file("key", "PRIVATE KEY", key),
	})
	if faults = append(faults, c.Read()...); len(faults) > 0 {
		t.Fatal(faults)
	}
	ctx, stop := context.WithCancel(t.Context())
	at, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, c, web.Page{Book: "invoices", Desk: quiet(), Log: zerolog.Nop()}, func(url string) { at <- url })
	}()
	url := <-at
	trusted := maker.Client().Transport.(*http.Transport).TLSClientConfig
	get := func(url string, newest uint16) int {
		config := trusted.Clone()
		config.MaxVersion, config.MinVersion = newest, tls.VersionTLS10
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		reply, err := (&http.Client{Transport: transport}).Get(url)
		if err != nil {
			return 0
		}
		defer reply.Body.Close()
		return reply.StatusCode
	}
	if got := get(url, 0); !strings.HasPrefix(url, "https://") || got != http.StatusOK {
		t.Errorf("%s: %d", url, got)
	}
	if got := get(url, tls.VersionTLS11); got != 0 {
		t.Errorf("by TLS 1.1: %d", got)
	}
	if got := get(strings.Replace(url, "https", "http", 1), 0); got == http.StatusOK {
		t.Error("it answers without TLS")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
