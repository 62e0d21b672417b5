package pgdesk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/sql"
)

// beside is one invoice whose row is to be shown.
type beside struct {
	id           billing.InvoiceID
	replyID, key string // for its link
	into         *desk.Row
}

// values are what invoices' rows say: texts by their columns, as SQL names them; none for
// NULL.
type values map[billing.InvoiceID]map[string]string

// showing are the columns that are read for it.
type showing struct {
	shown            []string
	amount, currency string
	all              []string // those, and the link's
}

// readRows reads what people are shown of invoices beside their keys.
func (d *Desk) readRows(ctx context.Context, conn *pgx.Conn, invoices []beside) error {
	if len(invoices) == 0 {
		return nil
	}
	s, err := d.chooseColumns(ctx, conn)
	if err != nil {
		return fmt.Errorf("read the columns of the invoices' table: %w", err)
	}
	names := d.names
	for _, column := range s.all {
		names.Columns = append(names.Columns, book.Name{column}.SQL())
	}
	read, err := d.readValues(ctx, conn, names, invoices, rowsTime)
	if err != nil {
		return fmt.Errorf("read the invoices' rows: %w", err)
	}
	for _, one := range invoices {
		s.fill(one, read[one.id], d.show.Link)
	}
	return nil
}

func (d *Desk) chooseColumns(ctx context.Context, conn *pgx.Conn) (s showing, err error) {
	query, err := d.query("shown_columns")
	if err != nil {
		return s, err
	}
	rows, err := conn.Query(ctx, query, d.names.Invoices)
	if err != nil {
		return s, err
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[desk.Column])
	if err != nil {
		return s, err
	}
	s.amount, s.currency = desk.Billed(columns, first(d.show.Amount), first(d.show.Currency))
	if s.shown = d.show.Show; len(s.shown) == 0 {
		// What it bills is said besides; what marking it sent changes says nothing of it.
		marked, _ := d.show.MarkSent.Columns()
		s.shown = desk.WhatFits(columns, func(column string) bool {
			return column == d.show.ID[0] || column == s.amount || column == s.currency ||
				slices.Contains(marked, column) || d.show.Secret != nil && d.show.Secret(column)
		})
	}
	for _, column := range append(append(slices.Clone(s.shown), s.amount, s.currency), d.show.Link.Columns()...) {
		if column != "" && !slices.Contains(s.all, column) {
			s.all = append(s.all, column)
		}
	}
	return s, nil
}

func first(n book.Name) string {
	if len(n) == 0 {
		return ""
	}
	return n[0]
}

const (
	// rowsTime bounds a read of invoices' rows, partTime one of those among which the row
	// is looked for that makes it hang; rowParts is in how many parts.
	rowsTime = 5 * time.Second
	partTime = time.Second
	rowParts = 16
)

// readValues reads the rows. Where one of them makes the statement fail or hang, as a
// view's may, that one is left out.
func (d *Desk) readValues(ctx context.Context, conn *pgx.Conn, names sql.Names, invoices []beside, limit time.Duration) (values, error) {
	query, err := sql.Query("shown", names)
	if err != nil {
		return nil, err
	}
	ids := make([]billing.InvoiceID, len(invoices))
	for i, one := range invoices {
		ids[i] = one.id
	}
	wanted, err := array(ids)
	if err != nil {
		return nil, err
	}
	read := make(values, len(ids))
	err = within(ctx, conn, limit, func() error {
		rows, err := conn.Query(ctx, query, wanted)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
			all, err := row.Values()
			if err != nil {
				return none, err
			}
			texts := make(map[string]string, len(all))
			for i, value := range all[1:] {
				if text, is := value.(string); is {
					texts[names.Columns[i]] = text
				}
			}
			read[billing.InvoiceID(fmt.Sprint(all[0]))] = texts
			return none, nil
		})
		return err
	})
	switch {
	case !failsOnRow(err):
		return read, err
	case len(invoices) == 1:
		return values{}, nil
	}
	clear(read)
	for part := range slices.Chunk(invoices, (len(invoices)+rowParts-1)/rowParts) {
		of, err := d.readValues(ctx, conn, names, part, partTime)
		if err != nil {
			return nil, err
		}
		maps.Copy(read, of)
	}
	return read, nil
}

// fill puts what was read where it is shown.
func (s showing) fill(one beside, texts map[string]string, link book.Link) {
	at := func(column string) string { return texts[book.Name{column}.SQL()] }
	for _, column := range s.shown {
		one.into.Shown = append(one.into.Shown, desk.Shown{Name: column, Value: at(column)})
	}
	one.into.SetBilled(billing.NewAmount(s.amount, at(s.amount), at(s.currency)))
	one.into.Link = link.URL(one.replyID, one.key, at)
}
