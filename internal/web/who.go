package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// reader is who asks for a page.
type reader struct {
	Name    string // empty: on loopback, without authentication
	Decides bool
}

// nobody is the hash that a wrong name is held against, so that it takes as long as a
// wrong password.
const nobody = "$2y$10$4Jrh5LhIhjLVc7A1bP4jAuNlAVIWZ3mTqz9nIFuqcGZpZ7rxX7X2a"

// door knows readers. A right password is remembered as a keyed hash, so that only the
// first request of a reader pays for bcrypt.
type door struct {
	Config
	key    []byte
	logins *logins

	mu    sync.Mutex
	right map[string][]byte // by name
}

func newDoor(c Config) *door {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return &door{Config: c, key: key, logins: newLogins(), right: map[string][]byte{}}
}

// open says who asks; a status other than 0 refuses them.
func (d *door) open(r *http.Request) (who reader, refusal int) {
	switch {
	case d.users != nil:
		who.Name, refusal = d.byPassword(r)
	case d.proxyHeader != "":
		who.Name, refusal = d.byProxy(r)
	case !isLocal(r.Host):
		// Another site's name may have been rebound to loopback.
		refusal = http.StatusForbidden
	}
	who.Decides = refusal == 0 && who.Name != "" && slices.Contains(d.deciders, who.Name)
	return who, refusal
}

func (d *door) byPassword(r *http.Request) (name string, refusal int) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return "", http.StatusUnauthorized
	}
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(password))
	sum := mac.Sum(nil)
	if d.knows(name, sum) {
		return name, 0
	}
	if !d.logins.begin(r.Context(), r.RemoteAddr) {
		return "", http.StatusTooManyRequests
	}
	defer d.logins.end()
	hash, known := d.users[name]
	if !known {
		hash = []byte(nobody)
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !known {
		return "", http.StatusUnauthorized
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.right[name] = sum
	return name, 0
}

func (d *door) knows(name string, sum []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.right[name] != nil && hmac.Equal(d.right[name], sum)
}

// byProxy believes the header of a trusted peer alone, and a header that comes twice
// is none: one of them could be the reader's own.
func (d *door) byProxy(r *http.Request) (name string, refusal int) {
	values := r.Header.Values(d.proxyHeader)
	if !d.trusts(r.RemoteAddr) || len(values) != 1 || strings.TrimSpace(values[0]) == "" {
		return "", http.StatusForbidden
	}
	return strings.TrimSpace(values[0]), 0
}

// trusts compares the TCP peer, never a header.
func (d *door) trusts(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(d.proxies, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) })
}

// isLocal says whether a Host header is loopback's own name.
func isLocal(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
	}
	return name == "localhost" || name == "127.0.0.1" || name == "[::1]"
}

func isBcrypt(hash string) bool {
	_, err := bcrypt.Cost([]byte(hash))
	return err == nil
}

func canonical(header string) string { return textproto.CanonicalMIMEHeaderKey(header) }
