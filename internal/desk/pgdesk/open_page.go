package pgdesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
)

const (
	// openGrouped is how many of a kind are read to be grouped; more are known by the last
	// run's count.
	openGrouped = 500

	// openReadOn is how many are read on for a page that has not enough of them.
	openReadOn = 2000
)

// OpenPage reads a part of what is open. A page may be shorter than its limit, or empty,
// and yet have a next one: it costs no more than some thousand rows.
func (d *Desk) OpenPage(ctx context.Context, part desk.OpenPart) (desk.OpenPage, error) {
	page, err := d.openPart(ctx, part, part.Limit)
	if err == nil && page.Next != nil && len(page.Items) < part.Limit {
		part.After, part.Limit = page.Next, part.Limit-len(page.Items)
		var more desk.OpenPage
		more, err = d.openPart(ctx, part, openReadOn)
		page = desk.OpenPage{Items: append(page.Items, more.Items...), Next: more.Next}
	}
	if err != nil {
		return page, err
	}
	return page, d.addDeliveries(ctx, page.Items)
}

// OpenRead reads the first of each kind, to tell their reasons apart, and what the last run
// has counted; nil: none has.
func (d *Desk) OpenRead(ctx context.Context) (read []desk.OpenRead, last *desk.OpenCount, err error) {
	for _, kind := range desk.OpenKinds() {
		page, err := d.openPart(ctx, desk.OpenPart{Kind: kind, Limit: openGrouped}, openGrouped)
		if err != nil {
			return nil, nil, err
		}
		read = append(read, desk.OpenRead{Kind: kind, Items: page.Items, More: page.Next != nil})
	}
	last, err = d.lastCount(ctx)
	return read, last, err
}

// openPart reads so many that may be wanted.
func (d *Desk) openPart(ctx context.Context, part desk.OpenPart, most int) (page desk.OpenPage, err error) {
	flags := []string{string(part.Kind)}
	if part.After != nil {
		flags = append(flags, "after")
	}
	page, err = d.readOpenPart(ctx, part, most, flags)
	if pgerr.InClass(err, pgerrcode.DataException) || pgerr.Is(err, pgerrcode.RaiseException) {
		page, err = d.readOpenPart(ctx, part, most, append(flags, "failing"))
	}
	if pgerr.Is(err, pgerrcode.InvalidTextRepresentation, pgerrcode.NumericValueOutOfRange, pgerrcode.CharacterNotInRepertoire) {
		return page, fmt.Errorf("%w: %s", desk.ErrID, pgerr.From(err).Message)
	}
	if err != nil {
		return page, fmt.Errorf("read what is open: %w", err)
	}
	return page, nil
}

func (d *Desk) readOpenPart(ctx context.Context, part desk.OpenPart, most int, flags []string) (page desk.OpenPage, err error) {
	query, err := d.query("open_page", flags...)
	if err != nil {
		return page, err
	}
	args := []any{string(part.Kind), most + 1, nil}
	if part.Reason != "" {
		args[2] = words.Storable(desk.LikeReason(part.Reason))
	}
	if part.After != nil {
		args = append(args, part.After.Order, string(part.After.InvoiceID))
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		var i desk.OpenItem
		var order string
		var wanted bool
		var last desk.OpenPlace
		n := 0
		_, err = pgx.ForEachRow(rows, []any{
			&i.InvoiceID, &i.Kind, &i.State, &i.Attempt, &i.Reason, &i.Since, &i.Amount, &i.Currency, &i.Key, &i.ReplyID, &order, &wanted,
		}, func() error {
			switch n++; {
			case page.Next != nil:
			case n > most, wanted && len(page.Items) == part.Limit:
				page.Next = &last
			default:
				last = desk.OpenPlace{Order: order, InvoiceID: i.InvoiceID}
				if wanted {
					page.Items = append(page.Items, i)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		found := make([]beside, len(page.Items))
		for n, i := range page.Items {
			found[n] = beside{id: i.InvoiceID, replyID: i.ReplyID, key: i.Key, into: &page.Items[n].Row}
		}
		return d.readRows(ctx, conn, found)
	})
	return page, err
}

func (d *Desk) lastCount(ctx context.Context) (*desk.OpenCount, error) {
	query, err := d.query("open_before")
	if err != nil {
		return nil, err
	}
	var o desk.OpenCount
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query).Scan(&o.RunID, &o.At, &o.Count, &o.Groups, &o.Decided)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last run has counted: %w", err)
	}
	return &o, nil
}

// SameMarking holds INVOICES_MARK_SENT and INVOICES_PENDING against what the last run that
// settled a delivery had. Otherwise it is [desk.ErrMarking].
func (d *Desk) SameMarking(ctx context.Context) error {
	return d.use(ctx, d.sameMarking)
}
