package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hostile are what an API, a customer, a colleague or an importer may have written.
func hostile() map[string]string {
	return map[string]string{
		"html": `</td></table><b class="x">bold`, "script": `<script>alert(1)</script>`, "attribute": `" onfocus="alert(1)" autofocus="`,
		"a template": `{{.Who}} {{template "head" .}} ${7*7}`, "terminal codes": "\x1b[2J\x1b]0;owned\x07", "lines": "first\r\nSet-Cookie: a=b\r\n\r\nlast",
		"formula": `=HYPERLINK("https://evil.example","ok")`, "turned around": "safe\u202egpj.exe", "no UTF-8's": "\ufffd\u2028\u2029",
		"a megabyte": strings.Repeat("<i>long</i> ", 1<<20/12),
	}
}

// Whatever a text holds, it is text: on every page, in every form, and afterwards.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
			s := serve(t, 2, left("in_doubt", "1"), left("failed", "2"), "update billonce.deliveries set error = "+quoted+", reply_id = left("+quoted+", 200)",
				"update invoices set customer = "+quoted)
			reason := string([]rune(text)[:min(len([]rune(text)), 1000)])
			picked := s.pickAll("ann", "/open?kind=in_doubt")
			form := url.Values{"pick": picked, "decision": {"cancel"}, "reason": {reason}}
			pages := map[string]string{}
			for _, path := range []string{
				"/", "/decide", "/open?kind=in_doubt", "/open?kind=failed&reason=" + url.QueryEscape(reason[:min(len(reason), 300)]), "/invoice?id=1",
				"/search?q=" + url.QueryEscape(reason), "/search?by=reply_id&q=" + url.QueryEscape(reason), "/open?kind=" + url.QueryEscape(reason),
			} {
				_, pages[path] = s.get("ann", path)
			}
			_, pages["preview"] = s.post("ann", "/preview", form)
			_, pages["decided"] = s.post("ann", "/confirm", url.Values{"pick": picks(pages["preview"])})
			_, pages["afterwards"] = s.get("ann", "/invoice?id=1")
			_, pages["refused"] = s.post("ann", "/preview", url.Values{"pick": picked, "decision": {text}, "reason": {"x"}})
			_, pages["a file"] = s.upload("ann", "invoice_id,attempt,decision,reason\n1,1,\""+strings.ReplaceAll(reason, `"`, `""`)+"\",x\n", "")
			if code, _ := s.post("ann", "/pause", url.Values{"reason": {reason}}); code != 303 {
				t.Errorf("pause: %d", code)
			}
			_, pages["paused"] = s.get("ann", "/")
			if got := s.states(); got != "1:cancelled 2:failed" {
				t.Fatalf("%s\n%.3000s", got, pages["decided"])
			}
			for path, page := range pages {
				page = pickPattern.ReplaceAllString(page, "") // what a form carries, nobody reads
				for _, bad := range []string{"<script>alert", `<b class="x"`, "<i>", ` onfocus="alert`, "\x1b", "\x07", "\u202e", "=\"alert"} {
					if at := strings.Index(page, bad); at >= 0 {
						t.Errorf("%s holds %q: … %s", path, bad, page[max(0, at-100):min(len(page), at+100)])
					}
				}
				if len(pages[path]) > 200<<10 {
					t.Errorf("%s has %d bytes", path, len(page))
				}
			}
		})
	}
}

// An id is what it is, whatever it holds: it is found, shown, decided and reopened.
func TestHostileIDs(t *testing.T) {
	t.Parallel()
	ids := []string{
		"a/b/../c", `"quoted"`, "it's", "two\nlines", "two\r\nlines", " spaced ", "%2e%2e", "?q=1&id=2#x", "+", "<b>x</b>", "{{.}}", "ümlaut 💶", "-1", "*", "\\",
		`{"id":"other"}`, strings.Repeat("long", 200),
	}
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "insert into invoices (id) values ('%s');", strings.ReplaceAll(id, "'", "''"))
	}
	s := serveTexts(t, b.String(), strings.ReplaceAll(left("in_doubt", "select id from invoices"), "id * 10", "1"))
	for _, id := range ids {
		code, _ := s.ask("bob", "GET", "/search?q="+url.QueryEscape(id), nil, nil)
		page := s.follow("/search?q=" + url.QueryEscape(id))
		if code != 303 || !strings.Contains(page, "Attempt 1") {
			t.Errorf("%q is not found: %d\n%s", id, code, page)
		}
		form := s.previewed("ann", "cancel", s.pickAll("ann", "/invoice?id="+url.QueryEscape(id)))
		// As a browser sends it: with the line breaks of the web (HTML, 4.10.22.4).
		form["pick"][0] = strings.ReplaceAll(form["pick"][0], "\n", "\r\n")
		s.post("ann", "/confirm", form)
		if got := s.one("select state from billonce.deliveries where invoice_id = '" + strings.ReplaceAll(id, "'", "''") + "'"); got != "cancelled" {
			t.Errorf("%q: %s", id, got)
		}
	}
	if got := s.one("select count(*)::text from billonce.deliveries where state = 'cancelled'"); got != fmt.Sprint(len(ids)) {
		t.Errorf("%s are decided, want %d", got, len(ids))
	}
}

// follow asks as a reader, and follows where it is led.
func (s *served) follow(path string) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), "GET", s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.SetBasicAuth("bob", "b")
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	_ = reply.Body.Close()
	to, err := reply.Location()
	if err != nil {
		s.Fatalf("%s leads nowhere: %v", path, err)
	}
	_, page := s.get("bob", to.RequestURI())
	return page
}
