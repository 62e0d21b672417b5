package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"billonce/internal/billing/billingfake"
)

// screen is a terminal that somebody leaves after so many pages.
type screen struct {
	strings.Builder
	pages int
	leave context.CancelFunc
}

// Write implements io.Writer: each page comes in one.
func (s *screen) Write(p []byte) (int, error) {
	if s.pages--; s.pages == 0 {
		s.leave()
	}
	return s.Builder.Write(p)
}

// The command that is printed can be pasted into a shell, whatever the id is.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"42": "42", "-7": "-7", "9b2c-11": "9b2c-11", "inv 1": "'inv 1'", "$(reboot)": "'$(reboot)'", "o'neil": `'o'\''neil'`, "": "''", "ä": "'ä'",
	} {
		if got := shellWord(id); got != want {
			t.Errorf("%q is written %s, want %s", id, got, want)
		}
	}
	if got := seenText(500, "a\nb\x1b[2J"); got != "HTTP 500, a b [2J" {
		t.Errorf("%q", got)
	}
}

// --watch shows page after page in place, and its interruption is no error.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, billingfake.Config{})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	out := &screen{pages: 2, leave: leave}
	a := app{env: func(string) (string, bool) { return "", false }, stdout: out, stderr: out}
	c := config{LedgerSchema: "billonce", InvoicesTable: "invoices", InvoicesID: "id", InvoicesPending: "pending", RunName: "invoices"}
	if err := a.watchStatus(ctx, c, &database{main: b.config()}, statusFlags{watch: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	pages := strings.Split(out.String(), clearBelow)
	if len(pages) != 3 || !strings.HasPrefix(pages[0], clearAndHome) || !strings.HasPrefix(pages[1], cursorHome+"Invoices") {
		t.Fatalf("%q", pages)
	}
	for _, page := range pages[:2] {
		if !regexp.MustCompile(`Invoices +pending +3\x1b\[K\n`).MatchString(page) {
			t.Errorf("%q", page)
		}
	}
}
