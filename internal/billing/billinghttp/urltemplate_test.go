package billinghttp

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Whatever a column holds, it stays within its place of the URL: the host, the
// path's shape and the other parameters are the template's.
func FuzzURLTemplate(f *testing.F) {
	for _, value := range []string{"42", "a/b", "../..", "..", "%2e%2e", "?x=y", "#", "&to=me", "@evil.example/", "\r\nHost: evil", "ä\x00\xff", " ", "{id}", ";", `\`} {
		f.Add(value)
	}
	template, err := parseURLTemplate("https://api.example:8443/v1/in-{id}/send?to={id}&key=k")
	if err != nil {
		f.Fatal(err)
	}
	alone, err := parseURLTemplate("https://api.example:8443/v1/{id}")
	if err != nil {
		f.Fatal(err)
	}
	template.bind(nil)
	alone.bind(nil)
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
func rendered(t *testing.T, template *urlTemplate, value string) *url.URL {
	t.Helper()
	text, err := template.render(values{columns: []*string{&value, &value}})
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
