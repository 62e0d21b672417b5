package billinghttp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

func pointer(s string) *string { return &s }

// P9: a repeat that is made from what was kept is the same request, whatever the row says
// by then; and what is kept holds no credential, no setting, and nothing that no request
// needs.
func TestP9KeptMakesTheSameRequest(t *testing.T) {
	t.Parallel()
	const then = `{"id":7,"api_token":"s3cret-then","customer":"J\u00fcrgen, {\\\"x\\\"}","acct":"a1","amount":1.10,"meta":{"b": 1,  "a":[{"c":2}]},"updated_at":"2026-03-01T00:00:00","note":null}`
	for name, body := range map[string]string{
		"row":      "row",
		"none":     "none",
		"template": `{"c":{{json .customer}},"a":{{.amount}},"t":{{json .api_token}}{{if .note}},"n":{{json .note}}{{end}}}`,
		"index":    `{"c":{{json (index . "customer")}}}`,
		"whole":    `{{json .}}`,
		"within":   `{"c":{{range .meta.a}}{{.c}}{{$.amount}}{{end}}}`,
		"dollar":   `{{define "x"}}{{.customer}}{{end}}"{{template "x" $}}"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := New(Config{
				URL: "https://billing.example/{id}/{customer}", LookupURL: "https://billing.example/{acct}", Body: body, Timeout: time.Second,
				Headers: "Authorization: Bearer {api_token}, Stripe-Account: {acct}",
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			invoice := func(row string, values ...string) billing.Invoice {
				inv := billing.Invoice{ID: "7", Key: "00000000-0000-0000-0000-000000000000", Row: []byte(row)}
				for _, column := range c.Columns() {
					for i, name := range []string{"id", "customer", "acct", "api_token"} {
						if name == column {
							inv.Columns = append(inv.Columns, pointer(values[i]))
						}
					}
				}
				return inv
			}
			was := invoice(then, "7", "Jürgen", "a1", "s3cret-then")
			sent, err := c.Render(was)
			if err != nil {
				t.Fatal(err)
			}
			kept := c.Keep(was)
			if kept == nil || bytes.Contains(kept.Row, []byte("s3cret")) || kept.Columns["api_token"] != nil {
				t.Fatalf("kept %+v", kept)
			}
			if needless := strings.Contains(string(kept.Row), "updated_at"); needless != (name == "row" || name == "whole" || name == "dollar") {
				t.Errorf("kept %s", kept.Row)
			}
			// Touched, widened, reordered, a column gone; the token is the same.
			for _, row := range []string{
				strings.Replace(then, "2026-03-01", "2026-03-02", 1),
				strings.Replace(then, `"note":null`, `"note":"x","added":1`, 1),
				`{"amount":99,"id":7,"api_token":"s3cret-then","customer":"X","acct":"a2","meta":{"a":[]},"note":""}`,
				`{"id":7,"api_token":"s3cret-then"}`,
			} {
				now := invoice(row, "7", "X", "a2", "s3cret-then")
				again, err := c.Render(c.Recall(now, kept))
				if err != nil || !bytes.Equal(again.SHA256, sent.SHA256) || !bytes.Equal(again.LookupSHA256, sent.LookupSHA256) {
					t.Errorf("now %s: %v, %s\nwas\n%s", row, err, again.Body, sent.Body)
				}
				if changed, err := c.Render(now); err == nil && bytes.Equal(changed.SHA256, sent.SHA256) {
					t.Errorf("%s makes the same request anyway", row)
				}
			}
			// Another token is another request.
			now := invoice(strings.ReplaceAll(then, "s3cret-then", "s3cret-now"), "7", "Jürgen", "a1", "s3cret-now")
			if again, err := c.Render(c.Recall(now, kept)); err == nil && bytes.Equal(again.SHA256, sent.SHA256) {
				t.Error("another token, the same request")
			}
			for _, huge := range []string{strings.Repeat("x", keptMax), strings.Repeat("\x01", keptMax/2)} { // as JSON six times as long
				was.Columns[0] = pointer(huge)
				if c.Keep(was) != nil {
					t.Error("a huge one is kept")
				}
			}
		})
	}
}
