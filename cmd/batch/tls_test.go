package main

import (
	"crypto/x509"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/doctor"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// sslmode=verify-full, as the manifests have it: a server that our CA vouches for
// by the name that we call it by, and no other.
func TestVerifyFull(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	ca := newAuthority(t)
	keepFile(t, filepath.Join(dir, "ca.pem"), ca.pem, 0o644)
	keepFile(t, filepath.Join(dir, "stranger.pem"), newAuthority(t).pem, 0o644)
	cert, key := ca.pair(x509.ExtKeyUsageServerAuth)
	keepForServer(t, dir, cert, key)
	server := pgtest.Server(t, map[string]string{
		"ssl": "on", "ssl_cert_file": filepath.Join(dir, "server.pem"), "ssl_key_file": filepath.Join(dir, "server.key"),
	})
	b := newBookAt(t, server.URL("postgres"), 10, billingfake.Config{})
	with := func(options string) string {
		return "DATABASE_URL=" + strings.Replace(b.url, "sslmode=disable", options, 1)
	}
	root := "&sslrootcert=" + filepath.Join(dir, "ca.pem")
	for _, c := range []struct{ name, url, says string }{
		{"another CA", with("sslmode=verify-full&sslrootcert=" + filepath.Join(dir, "stranger.pem")), "an authority that is not trusted"},
		{"another name", strings.Replace(with("sslmode=verify-full"+root), "@127.0.0.1:", "@localhost:", 1), "not for localhost"},
	} {
		p := b.start(c.url)
		p.wantExit(billing.ExitError)
		if !strings.Contains(p.output(), c.says) {
			t.Errorf("%s: it does not say %q:\n%s", c.name, c.says, p.output())
		}
	}
	b.wantStates("none/true=10")
	if f := b.examine(0, nil, []string{with("sslmode=verify-full" + root)})["encryption"]; f.Verdict != doctor.OK || !strings.Contains(f.Seen, "verified") {
		t.Errorf("verify-full: %+v", f)
	}
	if f := b.examine(0, nil, []string{with("sslmode=require")})["encryption"]; f.Verdict != doctor.Warning || !strings.Contains(f.Remedy, "verify-full") {
		t.Errorf("require: %+v", f)
	}
	b.start(with("sslmode=verify-full" + root)).wantExit(0)
	wantOneEffectEach(t, b, 10)
	b.wantStates("sent/false=10")
}

// openDir is a folder that the server's account can enter.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// keepForServer writes a server's certificate and its key, which the server's account
// alone may read.
func keepForServer(t *testing.T, dir string, cert, key []byte) {
	t.Helper()
	keepFile(t, filepath.Join(dir, "server.pem"), cert, 0o644)
	file := filepath.Join(dir, "server.key")
	keepFile(t, file, key, 0o600)
	if os.Geteuid() != 0 {
		return
	}
	for _, name := range []string{"postgres", "nobody"} { // as pgtemp chooses
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			if err := os.Chown(file, uid, gid); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

func keepFile(t *testing.T, file string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, content, mode); err != nil {
		t.Fatal(err)
	}
}
