package billinghttp

import (
	"fmt"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// P10: what counts as accepted and does not look like it is said; 207 is not accepted
// unless a rule reads it.
func TestP10OddRepliesAreSaid(t *testing.T) {
	for name, f := range map[string]struct {
		head, body string
		change     func(*Config)
		outcome    billing.Outcome
		odd        billing.Odd
	}{
		"JSON":               {"200 OK\r\nContent-Type: application/json", `{"id": "in_1"}`, nil, billing.Accepted, 0},
		"a page":             {"200 OK\r\nContent-Type: text/html; charset=utf-8", "<p>log in", nil, billing.Accepted, billing.OddHTML},
		"a page, undeclared": {"200 OK", "<!DOCTYPE html><p>log in", nil, billing.Accepted, billing.OddHTML},
		"a page, asked for": {"200 OK\r\nContent-Type: text/html", "<p>done", func(c *Config) {
			c.Headers = `Accept: text/html\, application/json`
		}, billing.Accepted, 0},
		"an id": {"200 OK", `{"id": "in_1"}`, func(c *Config) { c.ReplyID = "id" }, billing.Accepted, 0},
		"no id": {"200 OK", `{"ok": true}`, func(c *Config) { c.ReplyID = "id" }, billing.Accepted, billing.OddWithoutID},
		"207":   {"207 Multi-Status", `{"failed": 1}`, nil, billing.Unknown, 0},
		"207, ruled": {"207 Multi-Status", `{"failed": 0}`, func(c *Config) {
			c.Outcomes = "207 if body.failed == 0 -> accepted"
		}, billing.Accepted, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, answeringOnce(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", f.head, len(f.body), f.body)))
			reply := send(t, newClient(t, s.url, f.change))
			if reply.Outcome != f.outcome || reply.Odd != f.odd {
				t.Errorf("%+v", reply)
			}
		})
	}
}

// What a look-up's answer says of itself: whether the API has answered at all.
func TestP10LookUpsTellOrFail(t *testing.T) {
	for name, f := range map[string]struct {
		head, rules     string
		told, throttled bool
	}{
		"acted":               {"200 OK", "", true, false},
		"absent":              {"404 Not Found", "", true, false},
		"failed":              {"503 Service Unavailable", "", false, false},
		"surprise":            {"401 Unauthorized", "", false, false},
		"not found otherwise": {"400 Bad Request", "", true, false},
		"gone":                {"410 Gone", "", true, false},
		"a missing right":     {"403 Forbidden", "", false, false},
		"throttled":           {"429 Too Many Requests", "", false, true},
		"a rule's unknown":    {"200 OK", "200 -> unknown", true, false},
		"no rule matches":     {"200 OK", `200 if body.status == "paid" -> acted`, true, false},
		"unreadable":          {"200 OK\r\nContent-Encoding: br", `200 if body.status == "paid" -> acted`, false, false},
		"throttled by a rule": {"429 No", "4xx -> unknown", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, answeringOnce("HTTP/1.1 "+f.head+"\r\nContent-Length: 18\r\n\r\n{\"status\":\"draft\"}"))
			c := newClient(t, s.url, func(c *Config) { c.LookupURL, c.LookUps = s.url+"/{id}", f.rules })
			if found := c.LookUp(t.Context(), message(t, c)); found.Told != f.told || found.Throttled != f.throttled {
				t.Errorf("%+v", found)
			}
		})
	}
}

// The fingerprint of a look-up's settings tells them apart, and holds no secret.
func TestLookUpSettings(t *testing.T) {
	t.Parallel()
	met := map[string]string{}
	for name, change := range map[string]func(*Config){
		"none":   func(c *Config) { c.LookupURL = "" },
		"one":    func(*Config) {},
		"url":    func(c *Config) { c.LookupURL = "https://api.example/v2/{id}?key=" + canary },
		"column": func(c *Config) { c.LookupURL = "https://api.example/v1/{number}?key=" + canary },
		"rules":  func(c *Config) { c.LookUps = "404 -> unknown" },
		"header": func(c *Config) { c.Headers = "X-Account: {account}" },
	} {
		settings := func(secret string) string {
			return newClient(t, "https://api.example", func(c *Config) {
				c.LookupURL = "https://api.example/v1/{id}?key=" + canary
				change(c)
				if secret != "" && c.LookupURL != "" {
					c.LookupURL = c.LookupURL[:len(c.LookupURL)-len(canary)] + secret
				}
			}).LookUpSettings()
		}
		got := settings("")
		if other, twice := met[got]; twice {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		met[got] = name
		if got != settings("sk_live_another/Zz9") {
			t.Errorf("%s: a secret is part of it", name)
		}
	}
}
