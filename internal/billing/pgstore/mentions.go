package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/fault"
	"github.com/billonce/billonce/internal/words"
	"github.com/billonce/billonce/sql"
)

// listedAtMost bounds the columns that a fault names.
const listedAtMost = 12

// checkMentions holds the names in the user's templates, and the book's own, against the table's columns:
// found out by the first invoice, one that is missing would leave each of them pending.
// What is wrong is a *[fault.Error].
func (p Place) checkMentions(ctx context.Context, conn *pgx.Conn, mentions []billing.Mention) error {
	if len(p.book.Amount) > 0 {
		mentions = append(mentions, billing.Mention{Variable: "INVOICES_AMOUNT", Name: p.book.Amount[0]})
	}
	if len(p.book.Currency) > 0 {
		mentions = append(mentions, billing.Mention{Variable: "INVOICES_CURRENCY", Name: p.book.Currency[0]})
	}
	for _, name := range p.book.Show {
		mentions = append(mentions, billing.Mention{Variable: "INVOICES_SHOW", Name: name})
	}
	for _, name := range p.book.Link.Columns() {
		mentions = append(mentions, billing.Mention{Variable: "INVOICES_LINK", Name: name})
	}
	for _, name := range p.book.Link.Ours() {
		mentions = append(mentions, billing.Mention{Variable: "INVOICES_LINK", Name: name, Ours: true})
	}
	if len(mentions) == 0 {
		return nil
	}
	query, err := sql.Query("columns", sql.Names{})
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, query, p.sql())
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", p.sql(), err)
	}
	var columns []string
	var column, typ string
	var isNumber bool
	none := map[string]string{} // those that are no numbers: their types
	_, err = pgx.ForEachRow(rows, []any{&column, &typ, &isNumber}, func() error {
		columns = append(columns, column)
		if !isNumber {
			none[column] = typ
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", p.sql(), err)
	}
	var faults []fault.Fault
	for _, m := range mentions {
		switch is := slices.Contains(columns, m.Name); {
		case m.Variable == "INVOICES_AMOUNT" && none[m.Name] != "":
			faults = append(faults, fault.New(m.Variable, "column %q is %s, and no number; make one of it in a view, and name the view in INVOICES_TABLE", m.Name, none[m.Name]))
		case m.Ours && is:
			faults = append(faults, fault.New(m.Variable,
				"{%s} stands for something of ours, and %s has a column of that name, too: give the column another name in a view, and name the view in INVOICES_TABLE", m.Name, p.sql()))
		case !m.Ours && !is:
			faults = append(faults, fault.New(m.Variable, "names the column %q, which %s does not have; %s", m.Name, p.sql(), instead(m.Name, columns)))
		}
	}
	return fault.Join(nil, faults)
}

// instead says what may have been meant.
func instead(name string, columns []string) string {
	if close := nearest(name, columns); len(close) > 0 {
		return "did you mean " + quotedList(close, " or ") + "?"
	}
	text := "it has " + quotedList(columns[:min(len(columns), listedAtMost)], ", ")
	if len(columns) > listedAtMost {
		text += ", …"
	}
	return text
}

// nearest are up to three names that are written nearly so, the nearest first. Of one with a
// schema only what stands behind it counts.
func nearest(name string, all []string) []string {
	near := func(other string) int {
		return words.EditDistance(strings.ToLower(name), strings.ToLower(strings.Trim(other[strings.LastIndex(other, ".")+1:], `"`)))
	}
	var close []string
	for _, other := range all {
		if near(other) <= max(1, len(name)/3) {
			close = append(close, other)
		}
	}
	slices.SortStableFunc(close, func(a, b string) int { return cmp.Compare(near(a), near(b)) })
	return close[:min(len(close), 3)]
}

func quotedList(names []string, between string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(shown, between)
}
