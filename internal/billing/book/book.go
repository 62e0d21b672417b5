// Package book has what the user's names and SQL say, parsed once: the table of
// invoices, its key, what is pending, what marks an invoice sent, and where the
// ledger lies. It asks no database.
package book

import (
	"errors"
	"strings"

	"github.com/billonce/billonce/internal/fault"
)

// Settings are a book as the environment describes it, each by its variable.
type Settings struct {
	Schema    string // LEDGER_SCHEMA
	Invoices  string // INVOICES_TABLE
	ID        string // INVOICES_ID
	Pending   string // INVOICES_PENDING
	MarkSent  string // INVOICES_MARK_SENT
	Namespace string // LOCK_NAMESPACE
	Amount    string // INVOICES_AMOUNT; empty: not kept
	Currency  string // INVOICES_CURRENCY; empty: not kept
	OnePer    string // INVOICES_ONE_PER; empty: none
	Show      string // INVOICES_SHOW; empty: what fits
	Link      string // INVOICES_LINK; empty: none
}

// Book is one table of invoices with its ledger. [Parse] makes it.
type Book struct {
	Schema    Name     // of the ledger: one part
	Invoices  Name     // the user's table: one part or two
	ID        Name     // its key: one part
	Pending   string   // the user's SQL: a predicate
	MarkSent  MarkSent // the user's SQL: assignments
	Namespace string   // of the invoices' lock keys; empty: the id is the key
	Amount    Name     // the column of what is billed: one part; nil: not said
	Currency  Name     // the column of its currency: one part; nil: not said
	OnePer    Name     // a column: one request at a time for each of its values; empty: none
	Show      []string // columns that people are shown beside the key; empty: what fits
	Link      Link     // where people find an invoice in the provider's books
	// Secret says of a column that it holds a secret: it is not shown unless Show names it.
	// Nil: none does.
	Secret func(column string) bool
}

// longestName is what PostgreSQL allows a name (manual, 4.1.1); it cuts a longer one
// off, so that two would become one.
const longestName = 63

// Parse reads a book's names and SQL, as far as they can be read without a database.
func Parse(s Settings) (Book, []fault.Fault) {
	b := Book{Pending: s.Pending, Namespace: s.Namespace}
	var faults []fault.Fault
	for _, part := range []struct {
		variable, text string
		most           int
		into           *Name
	}{
		{"LEDGER_SCHEMA", s.Schema, 1, &b.Schema},
		{"INVOICES_TABLE", s.Invoices, 2, &b.Invoices},
		{"INVOICES_ID", s.ID, 1, &b.ID},
	} {
		name, err := ParseName(part.text, part.most)
		if strings.TrimSpace(part.text) == "" {
			err = errBlank
		}
		faults = append(faults, fault.In(part.variable, err)...)
		*part.into = name
	}
	for _, part := range []struct {
		variable, text string
		into           *Name
	}{
		{"INVOICES_AMOUNT", s.Amount, &b.Amount},
		{"INVOICES_CURRENCY", s.Currency, &b.Currency},
	} {
		if part.text == "" {
			continue
		}
		name, err := ParseName(part.text, 1)
		faults = append(faults, fault.In(part.variable, err)...)
		*part.into = name
	}
	if len(b.Schema) == 1 && len(b.Schema[0]) > longestName {
		faults = append(faults, fault.New("LEDGER_SCHEMA", "is longer than the %d bytes that PostgreSQL allows a name", longestName))
	}
	if s.OnePer != "" {
		name, err := ParseName(s.OnePer, 1)
		faults = append(faults, fault.In("INVOICES_ONE_PER", err)...)
		b.OnePer = name
	}
	show, err := parseShow(s.Show)
	faults = append(faults, fault.In("INVOICES_SHOW", err)...)
	b.Show = show
	if s.Link != "" {
		b.Link, err = parseLink(s.Link)
		faults = append(faults, fault.In("INVOICES_LINK", err)...)
	}
	if strings.TrimSpace(s.Pending) == "" {
		faults = append(faults, fault.New("INVOICES_PENDING", "is blank"))
	}
	mark, err := parseMarkSent(s.MarkSent)
	if strings.TrimSpace(s.MarkSent) == "" {
		err = errBlank
	}
	faults = append(faults, fault.In("INVOICES_MARK_SENT", err)...)
	mark.idColumn = b.Invoices.SQL() + "." + b.ID.SQL()
	b.MarkSent = mark
	return b, faults
}

var errBlank = errors.New("is blank")

// Own is the name of one of the ledger's tables, in its schema.
func (b Book) Own(table string) string { return Name{b.Schema[0], table}.SQL() }

// Demo is the book of the table that `batch seed` makes, as the environment's
// defaults describe it.
func Demo() Book {
	b, _ := Parse(Settings{
		Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()",
	})
	return b
}
