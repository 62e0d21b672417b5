package book_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/book"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`invoices`:                  `"invoices"`,
		`Invoices`:                  `"invoices"`,
		`billing."Invoice"`:         `"billing"."Invoice"`,
		`"select"."a ""quoted"" b"`: `"select"."a ""quoted"" b"`,
		`"a.b"`:                     `"a.b"`,
		`rechnungen_ä1$`:            `"rechnungen_ä1$"`,
		`Übersicht`:                 `"Übersicht"`,
	} {
		got, err := book.ParseName(text, 2)
		if err != nil || got.SQL() != want {
			t.Errorf("%s: %s, %v; want %s", text, got.SQL(), err, want)
		}
	}
	for _, text := range []string{
		``, ` `, `.`, `a.`, `.a`, `a..b`, `1a`, `a b`, `a;drop table x`, `a--`, `"a`, `""`, `a"b"`, `"a"b`, `a.b.c`,
		`invoices where false; --`, "a\x00", "\"a\x00\"", `a/**/`, `(select 1)`,
	} {
		if got, err := book.ParseName(text, 2); err == nil {
			t.Errorf("%q was taken for %s", text, got.SQL())
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(`billing."Invoice"`)
	f.Add(`a;drop table x`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := book.ParseName(text, 2)
		if err != nil {
			return
		}
		again, err := book.ParseName(got.SQL(), 2)
		if err != nil || again.SQL() != got.SQL() {
			t.Errorf("%q became %s, and that %s (%v)", text, got.SQL(), again.SQL(), err)
		}
	})
}

func settings() book.Settings {
	return book.Settings{
		Schema: `"My Ledger"`, Invoices: `billing."Invoice"`, ID: `"ID"`, Pending: "state = 'open'",
		MarkSent: `state = 'sent', "Stripe id" = {reply.id}, (a, n) = ('x, y = z', {reply.data.0.n}::int)`, Namespace: "second",
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	b, faults := book.Parse(settings())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if b.Own("deliveries") != `"My Ledger"."deliveries"` || b.Invoices.SQL() != `"billing"."Invoice"` || b.ID.SQL() != `"ID"` || b.Namespace != "second" {
		t.Errorf("%+v", b)
	}
	if want := []string{"id", "data.0.n"}; !slices.Equal(b.MarkSent.Paths, want) {
		t.Errorf("paths %q, want %q", b.MarkSent.Paths, want)
	}
	const want = `state = 'sent', "Stripe id" = ($2::jsonb ->> "billing"."Invoice"."ID"::text), ` +
		`(a, n) = ('x, y = z', ($3::jsonb ->> "billing"."Invoice"."ID"::text)::int)`
	if got := b.MarkSent.SQL(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if at := b.MarkSent.Origin(strings.Index(want, "::int)")); b.MarkSent.Text[at:] != "::int)" {
		t.Errorf("origin %d: %s", at, b.MarkSent.Text[at:])
	}
	columns, err := b.MarkSent.Columns()
	if err != nil || !slices.Equal(columns, []string{"state", "Stripe id", "a", "n"}) {
		t.Errorf("columns %q, %v", columns, err)
	}
}

// Every setting of a book may be wrong, and all that is wrong is said at once.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*book.Settings)
		want   string
	}{
		{func(s *book.Settings) { s.Schema = "a.b" }, "LEDGER_SCHEMA: \"a.b\" has 2 parts"},
		{func(s *book.Settings) { s.Schema = " " }, "LEDGER_SCHEMA: is blank"},
		{func(s *book.Settings) { s.Schema = strings.Repeat("s", 64) }, "LEDGER_SCHEMA: is longer than the 63 bytes"},
		{func(s *book.Settings) { s.Invoices = "a.b.c" }, "INVOICES_TABLE: \"a.b.c\" has 3 parts"},
		{func(s *book.Settings) { s.Invoices = "invoices; drop" }, "INVOICES_TABLE: \"invoices; drop\" is not a name as in SQL"},
		{func(s *book.Settings) { s.ID = "" }, "INVOICES_ID: is blank"},
		{func(s *book.Settings) { s.Pending = "\t" }, "INVOICES_PENDING: is blank"},
		{func(s *book.Settings) { s.MarkSent = "" }, "INVOICES_MARK_SENT: is blank"},
		{func(s *book.Settings) { s.MarkSent = "a = {reply.}" }, "INVOICES_MARK_SENT: has a {reply. that is no placeholder"},
		{func(s *book.Settings) { s.MarkSent = "a = {reply.id" }, "INVOICES_MARK_SENT: has a {reply. that is no placeholder"},
	} {
		s := settings()
		c.change(&s)
		_, faults := book.Parse(s)
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Variable+": "+faults[0].Problem, c.want) {
			t.Errorf("%+v, want one fault: %s", faults, c.want)
		}
	}
	if _, faults := book.Parse(book.Settings{}); len(faults) != 5 {
		t.Errorf("%d faults of nothing, want 5: %v", len(faults), faults)
	}
}
