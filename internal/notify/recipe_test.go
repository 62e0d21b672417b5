package notify

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The recipe's settings, as they stand, are taken by servers as strict as those that it
// names.
func TestTheRecipeIsTaken(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/recipes/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	takes := map[string]func(r *http.Request, contentType, body string) bool{
		"hooks.slack.com": func(_ *http.Request, contentType, body string) bool {
			return contentType == "application/json" && strings.HasPrefix(body, `{"text": "Billonce, invoices: 3 invoices`)
		},
		"api.mailgun.net": func(r *http.Request, contentType, body string) bool {
			form, err := url.ParseQuery(body)
			user, key, _ := r.BasicAuth()
			return err == nil && contentType == "application/x-www-form-urlencoded" && user == "api" && key == "KEY" &&
				form.Get("to") == "oncall@example.com" && form.Get("subject") == "Billonce: open" && strings.Contains(form.Get("text"), "3 invoices")
		},
		"ntfy.sh": func(r *http.Request, contentType, body string) bool {
			return strings.HasPrefix(contentType, "text/plain") && strings.HasPrefix(body, "Billonce, ") && r.URL.Query().Get("email") != ""
		},
	}
	found := regexp.MustCompile(`(?m)^NOTIFY_URL=(.+)\nNOTIFY_BODY=(.+)$`).FindAllStringSubmatch(string(page), -1)
	if len(found) != len(takes) {
		t.Fatalf("%d recipes, want %d", len(found), len(takes))
	}
	for _, recipe := range found {
		to, err := url.Parse(recipe[1])
		if err != nil {
			t.Fatal(err)
		}
		take := takes[to.Host]
		r := newReceiver(t, nil)
		r.check = func(req *http.Request, contentType, body string) {
			if !take(req, contentType, body) {
				t.Errorf("%s does not take %s %s", to.Host, contentType, body)
			}
		}
		to.Scheme, to.Host = "http", strings.TrimPrefix(r.URL, "http://")
		if err := New(parsed(t, Settings{NotifyURL: to.String(), NotifyBody: recipe[2]})).Notify(t.Context(), message()); err != nil {
			t.Error(err)
		}
	}
}
