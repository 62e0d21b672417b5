package pgstore

import (
	"context"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
)

// values are what an invoice's request is made from.
type values struct {
	row     []byte
	columns []*string
	amount  billing.Amount
	twins   bool // several rows have the id
	unread  bool // the others have filled [billing.LookMost]
}

func (s *Store) needsValues() bool {
	return s.cfg.Row || len(s.cfg.Columns) > 0 || len(s.cfg.Book.Amount)+len(s.cfg.Book.Currency) > 0
}

// readValues reads values.sql, as much of it as one look may.
func (s *Store) readValues(rows pgx.Rows) (map[billing.InvoiceID]values, error) {
	all := make(map[billing.InvoiceID]values)
	var id string
	var row []byte
	columns := make([][]byte, len(s.cfg.Columns))
	into := []any{&id}
	if s.cfg.Row {
		into = append(into, &row)
	}
	for i := range columns {
		into = append(into, &columns[i])
	}
	var amount, currency *string
	b := s.cfg.Book
	if len(b.Amount) > 0 {
		into = append(into, &amount)
	}
	if len(b.Currency) > 0 {
		into = append(into, &currency)
	}
	bytes := 0
	for rows.Next() {
		raw := rows.RawValues()
		for _, v := range raw {
			bytes += len(v)
		}
		if of := billing.InvoiceID(raw[0]); bytes > billing.LookMost && len(all) > 0 {
			v, twins := all[of]
			v.twins, v.unread = twins, !twins || v.unread // twins are read on their own
			all[of] = v
			continue
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		v := values{row: row, amount: billed(b, amount, currency)}
		row = nil
		if len(columns) > 0 {
			v.columns = make([]*string, len(columns))
			for i, c := range columns {
				if c != nil {
					text := string(c)
					v.columns[i] = &text
				}
			}
		}
		_, v.twins = all[billing.InvoiceID(id)]
		all[billing.InvoiceID(id)] = v
	}
	return all, rows.Err()
}

// billed is what a row says is billed; NULL is not known.
func billed(b book.Book, amount, currency *string) billing.Amount {
	var column, value, code string
	if len(b.Amount) > 0 && amount != nil {
		column, value = b.Amount[0], *amount
	}
	if currency != nil {
		code = *currency
	}
	return billing.NewAmount(column, value, code)
}

// readOwn reads those values anew that the second look can't have: of an id that several
// rows have, the pending one's; and as an older program read them where one has made an
// attempt that may have had its effect, since of its request only the body's hash is known.
func (s *Store) readOwn(ctx context.Context, conn *pgx.Conn, tried map[billing.InvoiceID]*billing.Delivery, all map[billing.InvoiceID]values) error {
	var twins, older []billing.InvoiceID
	for id, v := range all {
		switch d := tried[id]; {
		case v.unread:
		case d != nil && d.RequestSHA256 == nil && d.MayHaveActed():
			older = append(older, id)
		case v.twins:
			twins = append(twins, id)
		}
	}
	for text, ids := range map[string][]billing.InvoiceID{s.sql.valuesOwn: twins, s.sql.valuesOlder: older} {
		if len(ids) == 0 {
			continue
		}
		rows, err := conn.Query(ctx, text, keys(ids))
		if err != nil {
			return err
		}
		own, err := s.readValues(rows)
		if err != nil {
			return fmt.Errorf("read invoices under the role's settings: %w", err)
		}
		for _, id := range ids {
			delete(all, id) // not pending any more
		}
		maps.Copy(all, own)
	}
	return nil
}
