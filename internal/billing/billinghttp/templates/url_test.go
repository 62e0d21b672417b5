package templates

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Whatever a column holds, it stays within its place of the URL: the host, the
// path's shape and the other parameters are the template's.
func FuzzURL(f *testing.F) {
	for _, value := range []string{"42", "a/b", "../..", "..", "%2e%2e", "?x=y", "#", "&to=me", "@evil.example/", "\r\nHost: evil", "ä\x00\xff", " ", "{id}", ";", `\`} {
		f.Add(value)
	}
	template, err := ParseURL("https://api.example:8443/v1/in-{id}/send?to={id}&key=k")
	if err != nil {
		f.Fatal(err)
	}
	alone, err := ParseURL("https://api.example:8443/v1/{id}")
	if err != nil {
		f.Fatal(err)
	}
	template.Bind(nil)
	alone.Bind(nil)
	f.Fuzz(func(t *testing.T, value string) {
		u := rendered(t, template, value)
		if u == nil {
			if value != "" && value != "." && value != ".." {
				t.Errorf("%q is refused", value)
			}
			return
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if len(segments) != 4 || segments[1] != "v1" || segments[3] != "send" {
			t.Fatalf("%q makes the path %s", value, u.EscapedPath())
		}
		if got, err := url.PathUnescape(segments[2]); err != nil || got != "in-"+value {
			t.Errorf("%q arrives as %q, %v", value, got, err)
		}
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil || len(query) != 2 || query.Get("to") != value || query.Get("key") != "k" {
			t.Errorf("%q makes the query %s, %v", value, u.RawQuery, err)
		}
		if u := rendered(t, alone, value); u.JoinPath().Path != u.Path || strings.Count(u.EscapedPath(), "/") != 2 {
			t.Errorf("%q names another resource: %s", value, u.EscapedPath())
		}
	})
}

// rendered is the URL as net/http will send it; nil: the value was refused.
func rendered(t *testing.T, template *URL, value string) *url.URL {
	t.Helper()
	text, err := template.Render(Values{Columns: []*string{&value, &value}})
	if err != nil {
		return nil
	}
	r, err := http.NewRequest(http.MethodPost, text, nil)
	if err != nil {
		t.Fatalf("%q makes no URL: %v", value, err)
	}
	if r.URL.Host != "api.example:8443" || r.Host != r.URL.Host || r.URL.Scheme != "https" || r.URL.User != nil || r.URL.Fragment != "" {
		t.Fatalf("%q leads to %s", value, r.URL)
	}
	return r.URL
}

func TestURLFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "is not a URL",
		"api.example/{id}":          "is not a URL",
		"https:///{id}":             "is not a URL",
		"https://:80/{id}":          "is not a URL",
		"https://{region}.example/": "before the path",
		"{scheme}://api.example/":   "is not a URL",
		"https://a.example/{id":     "{ without its }",
		"https://a.example/id}":     "} without its {",
		"https://a.example/{}":      "placeholder {}",
		"https://a.example/{ id }":  "placeholder {id}",
		`https://a.example/{"Id"}`:  "without quotes",
		"https://a.example/{id}#x":  "#fragment",
		"https://a.example/{id}?a#": "#fragment",
		"https://a.example/%zz":     "is not a URL",
	} {
		if _, err := ParseURL(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
