package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/web"
)

// Without authentication the page answers loopback's own names alone: another site's
// may have been rebound.
func TestAForeignHostIsRefusedOnLoopback(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{}, quiet())
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:8321": 200, "[::1]:8321": 200, "[::1]": 200,
		"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example:8321": 403, "": 403,
	} {
		if got := ask(h, "GET", "http://x/", func(r *http.Request) { r.Host = host }).Code; got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{UsersFile: users(t, map[string]string{"ann": "right"}), Deciders: "ann"}, quiet())
	for name, c := range map[string]struct {
		user, password string
		want           int
	}{
		"right": {"ann", "right", 200}, "wrong": {"ann", "left", 401}, "nobody": {"bob", "right", 401}, "none": {"", "", 401},
	} {
		w := ask(h, "GET", "http://page.example/", func(r *http.Request) {
			if c.user != "" {
				r.SetBasicAuth(c.user, c.password)
			}
		})
		if w.Code != c.want || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// A proxy's header is believed of a trusted peer alone, and only if it comes once.
func TestProxyHeader(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{
		Addr: ":0", ProxyHeader: "X-Forwarded-User", TrustedProxies: "10.0.0.0/24, ::1", Deciders: "ann",
	}, quiet())
	for name, c := range map[string]struct {
		peer   string
		values []string
		want   int
	}{
		"trusted": {"10.0.0.9:1", []string{"ann"}, 200}, "mapped": {"[::ffff:10.0.0.9]:1", []string{"ann"}, 200},
		"untrusted": {"10.0.1.9:1", []string{"ann"}, 403}, "doubled": {"10.0.0.9:1", []string{"eve", "ann"}, 403},
		"empty": {"10.0.0.9:1", []string{" "}, 403}, "none": {"10.0.0.9:1", nil, 403},
	} {
		w := ask(h, "GET", "http://page.example/", func(r *http.Request) {
			r.RemoteAddr = c.peer
			for _, v := range c.values {
				r.Header.Add("x-forwarded-user", v)
			}
			r.Header.Set("X-Forwarded-For", "10.0.0.9")
		})
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// The health check alone is open, and says nothing of the book.
func TestHealth(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{UsersFile: users(t, map[string]string{"ann": "right"})}, quiet())
	if w := ask(h, "GET", "http://x/healthz", nil); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    web.Settings
		want string // part of a fault, empty: none
	}{
		"loopback":             {web.Settings{Addr: "127.0.0.1:8321"}, ""},
		"public, nobody known": {web.Settings{Addr: ":8321"}, "SERVE_USERS_FILE or SERVE_PROXY_HEADER"},
		"any address":          {web.Settings{Addr: "0.0.0.0:8321"}, "SERVE_USERS_FILE or SERVE_PROXY_HEADER"},
		"both":                 {web.Settings{Addr: "localhost:1", UsersFile: "f", ProxyHeader: "X-User", TrustedProxies: "10.0.0.1"}, "not both"},
		"passwords in clear":   {web.Settings{Addr: ":1", UsersFile: "f"}, "SERVE_TLS_CERT_FILE"},
		"behind a proxy":       {web.Settings{Addr: ":1", UsersFile: "f", TrustedProxies: "10.0.0.0/8"}, ""},
		"header without peers": {web.Settings{Addr: "localhost:1", ProxyHeader: "X-User"}, "SERVE_TRUSTED_PROXIES"},
		"no network":           {web.Settings{Addr: "localhost:1", ProxyHeader: "X-User", TrustedProxies: "proxy.example"}, "10.0.0.0/8"},
		"half a certificate":   {web.Settings{Addr: "localhost:1", TLSCertFile: "f"}, "belong together"},
		"deciders of nobody":   {web.Settings{Addr: "localhost:1", Deciders: "ann"}, "nobody has a name"},
		"no port":              {web.Settings{Addr: "localhost"}, "host:port"},
		"a header's name":      {web.Settings{Addr: "localhost:1", ProxyHeader: "X User", TrustedProxies: "::1"}, "name of a header"},
	} {
		_, faults := web.Parse(c.s)
		var said []string
		for _, f := range faults {
			said = append(said, f.Variable+": "+f.Problem)
		}
		got := strings.Join(said, "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What a browser may do with the page is said with each reply.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{}, quiet())
	w := ask(h, "GET", "http://localhost/", nil)
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Whatever an API, a customer or a person wrote is text.
func TestTextIsText(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{}, quiet())
	w := ask(h, "GET", "http://localhost/invoice?id=%3Cscript%3Ealert(1)%3C/script%3E%22%27%2F..%0a", nil)
	if body := w.Body.String(); w.Code != 200 || strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Errorf("%d\n%s", w.Code, body)
	}
}
