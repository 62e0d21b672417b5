package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"billonce/internal/billing"
	"billonce/internal/billing/billingfake"
	"billonce/internal/doctor"
	"billonce/internal/pgtemp/pgtest"
)

// sslmode=verify-full, as the manifests have it: a server that our CA vouches for
// by the name that we call it by, and no other.
func TestVerifyFull(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	ca := newCA(t, dir, "ca.pem")
	newCA(t, dir, "stranger.pem")
	ca.issue(t, dir, net.IPv4(127, 0, 0, 1))
	server := pgtest.Server(t, map[string]string{
		"ssl": "on", "ssl_cert_file": filepath.Join(dir, "server.pem"), "ssl_key_file": filepath.Join(dir, "server.key"),
	})
	b := newBookAt(t, server.URL("postgres"), 10, billingfake.Config{})
	with := func(options string) string {
		return "DATABASE_URL=" + strings.Replace(b.url, "sslmode=disable", options, 1)
	}
	root := "&sslrootcert=" + filepath.Join(dir, "ca.pem")
	for _, c := range []struct{ name, url, says string }{
		{"another CA", with("sslmode=verify-full&sslrootcert=" + filepath.Join(dir, "stranger.pem")), "unknown authority"},
		{"another name", strings.Replace(with("sslmode=verify-full"+root), "@127.0.0.1:", "@localhost:", 1), "to match localhost"},
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
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T, dir, file string) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA of the test's own"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, file), "CERTIFICATE", der, 0o644)
	return authority{template, key}
}

// issue writes server.pem and server.key, which the server's account alone may read.
func (a authority) issue(t *testing.T, dir string, name net.IP) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, IPAddresses: []net.IP{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "server.pem"), "CERTIFICATE", der, 0o644)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "server.key")
	writePEM(t, file, "PRIVATE KEY", private, 0o600)
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

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, der []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		t.Fatal(err)
	}
}
