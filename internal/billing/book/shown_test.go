package book_test

import (
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/book"
)

func TestParseShow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "",
		"customer":                    "customer",
		"Customer, \"Due, on\"\n x,x": "customer|Due, on|x",
		",\n":                         "",
	} {
		s := settings()
		s.Show = text
		b, faults := book.Parse(s)
		if got := strings.Join(b.Show, "|"); len(faults) > 0 || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, faults, want)
		}
	}
	for _, text := range []string{"a b", "a.b", "x;", `"x`} {
		s := settings()
		s.Show = text
		if _, faults := book.Parse(s); len(faults) != 1 || faults[0].Variable != "INVOICES_SHOW" {
			t.Errorf("%q: %v", text, faults)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	column := func(name string) string { return map[string]string{"no": "a/b ?&", "dots": ".."}[name] }
	for text, want := range map[string]string{
		"":                                       "",
		"https://d.example":                      "https://d.example",
		"https://d.example/{reply_id}":           "https://d.example/in_1",
		"https://d.example/?q={no}#{no}":         "https://d.example/?q=a%2Fb%20%3F%26#a%2Fb%20%3F%26",
		"https://d.example/{dots}/x":             "",
		"https://d.example/{none}":               "",
		"https://[::1]:8443/k{idempotency_key}/": "https://[::1]:8443/kuuid/",
	} {
		s := settings()
		s.Link = text
		b, faults := book.Parse(s)
		if got := b.Link.URL("in_1", "uuid", column); len(faults) > 0 || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, faults, want)
		}
	}
	for _, text := range []string{
		"x", "http://d.example/{id}", "https:///{id}", "https://{id}/", "https://d.example{id}", "https://d.example:{id}/", "javascript:alert(1)//https://d.example",
		"https://user:hush@d.example/{id}", "https://d.example/{id", "https://d.example/id}", "https://d.example/{}", "https://d.example/{ id}", "HTTPS://d.example\n/", "https://",
	} {
		s := settings()
		s.Link = text
		_, faults := book.Parse(s)
		if len(faults) != 1 || faults[0].Variable != "INVOICES_LINK" || strings.Contains(faults[0].Problem, "hush") {
			t.Errorf("%q: %v", text, faults)
		}
	}
}
