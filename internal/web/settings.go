package web

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/billonce/billonce/internal/fault"
)

// Settings are the texts of SERVE_…, as they came.
type Settings struct {
	Addr, UsersFile, ProxyHeader, TrustedProxies, Deciders, TLSCertFile, TLSKeyFile string
}

// Config is whom the page answers, and how.
type Config struct {
	files       Settings
	addr        string
	loopback    bool
	users       map[string][]byte // bcrypt hashes by name; nil: no passwords
	proxyHeader string            // canonical; empty: no authenticating proxy
	proxies     []netip.Prefix
	deciders    []string
	tls         *tls.Config // nil: plain HTTP
}

// Parse reads the settings, and says all that is wrong with them. No page is served where
// anybody could read it. The files that they name are read by [Config.Read]: commands
// that serve no page don't need them.
func Parse(s Settings) (Config, []fault.Fault) {
	var faults []fault.Fault
	wrong := func(variable, problem string, args ...any) {
		faults = append(faults, fault.New(variable, problem, args...))
	}
	c := Config{files: s, addr: s.Addr, deciders: list(s.Deciders)}
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		wrong("SERVE_ADDR", "want host:port, for example 127.0.0.1:8321")
	}
	c.loopback = isLoopback(host)
	if c.proxies, err = parsePrefixes(s.TrustedProxies); err != nil {
		wrong("SERVE_TRUSTED_PROXIES", "%s", err)
	}
	if s.ProxyHeader != "" {
		c.proxyHeader = canonical(s.ProxyHeader)
		if !httpguts.ValidHeaderFieldName(s.ProxyHeader) {
			wrong("SERVE_PROXY_HEADER", "want the name of a header, for example X-Forwarded-User")
		}
	}
	if (s.TLSCertFile == "") != (s.TLSKeyFile == "") {
		wrong("SERVE_TLS_CERT_FILE", "SERVE_TLS_CERT_FILE and SERVE_TLS_KEY_FILE belong together; one is missing")
	}
	return c, append(faults, s.checkWho(c)...)
}

// Read reads the files that the settings name.
func (c *Config) Read() (faults []fault.Fault) {
	var err error
	if c.files.UsersFile != "" {
		if c.users, err = readUsers(c.files.UsersFile); err != nil {
			faults = append(faults, fault.New("SERVE_USERS_FILE", "%s", err))
		}
		for _, name := range c.deciders {
			if err == nil && c.users[name] == nil {
				faults = append(faults, fault.New("SERVE_DECIDERS", "%q is not in SERVE_USERS_FILE", name))
			}
		}
	}
	if c.files.TLSCertFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.files.TLSCertFile, c.files.TLSKeyFile)
		if err != nil {
			return append(faults, fault.New("SERVE_TLS_CERT_FILE", "want a certificate and its key in PEM in SERVE_TLS_CERT_FILE and SERVE_TLS_KEY_FILE"))
		}
		c.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	return faults
}

// checkWho holds the ways of knowing a reader against where the page is served.
func (s Settings) checkWho(c Config) []fault.Fault {
	one := func(variable, problem string) []fault.Fault { return []fault.Fault{fault.New(variable, problem)} }
	switch {
	case s.UsersFile != "" && s.ProxyHeader != "":
		return one("SERVE_USERS_FILE", "set SERVE_USERS_FILE or SERVE_PROXY_HEADER, not both: a reader's name comes from one place")
	case s.ProxyHeader != "" && s.TrustedProxies == "":
		return one("SERVE_PROXY_HEADER", "SERVE_PROXY_HEADER needs SERVE_TRUSTED_PROXIES, the addresses of the proxies whose header is believed")
	case !c.loopback && s.UsersFile == "" && s.ProxyHeader == "":
		return one("SERVE_ADDR", "off loopback it needs SERVE_USERS_FILE or SERVE_PROXY_HEADER: anybody could read the page")
	case !c.loopback && s.UsersFile != "" && s.TLSCertFile == "" && s.TrustedProxies == "":
		return one("SERVE_USERS_FILE", "off loopback passwords need SERVE_TLS_CERT_FILE and SERVE_TLS_KEY_FILE, or SERVE_TRUSTED_PROXIES with a proxy that speaks TLS")
	case s.Deciders != "" && s.UsersFile == "" && s.ProxyHeader == "":
		return one("SERVE_DECIDERS", "it needs SERVE_USERS_FILE or SERVE_PROXY_HEADER: without them nobody has a name")
	}
	return nil
}

// isLoopback: an empty host listens at every address.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func parsePrefixes(text string) (prefixes []netip.Prefix, err error) {
	for _, word := range list(text) {
		if addr, err := netip.ParseAddr(word); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("%q is no address and no network: write 10.0.0.7 or 10.0.0.0/8", word)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// list splits a list, comma-separated or one a line.
func list(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// readUsers reads lines of name:hash, as `htpasswd -B` writes them. Its errors quote
// no hash.
func readUsers(file string) (map[string][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("can't read the file: %w", err)
	}
	users := map[string][]byte{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		switch {
		case !found || name == "" || !isBcrypt(hash):
			return nil, fmt.Errorf("line %d is not a name and a bcrypt hash, as `htpasswd -B` writes it", i+1)
		case users[name] != nil:
			return nil, fmt.Errorf("line %d: %q is there twice", i+1, name)
		}
		users[name] = []byte(hash)
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("it names nobody; `htpasswd -B -c FILE NAME` adds a user")
	}
	return users, nil
}
