package pgdesk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/desk"
	"billonce/internal/pgerr"
)

const (
	// openGrouped is how many of a kind are read to be grouped; more are known by the last
	// run's count.
	openGrouped = 500

	// openReads bounds how often a page is read on because none of it was still open.
	openReads = 20
)

// OpenPage reads a part of what is open. A page may be shorter than its limit, or empty,
// and yet have a next one.
func (d *Desk) OpenPage(ctx context.Context, part desk.OpenPart) (page desk.OpenPage, err error) {
	for range openReads {
		if page, err = d.openPart(ctx, part); err != nil || len(page.Items) > 0 || page.Next == nil {
			return page, err
		}
		part.After = page.Next
	}
	return page, nil
}

// OpenRead reads the first of each kind, in no order, to tell their reasons apart, and
// what the last run has counted; nil: none has.
func (d *Desk) OpenRead(ctx context.Context) (read []desk.OpenRead, last *desk.OpenCount, err error) {
	for _, kind := range desk.OpenKinds() {
		page, err := d.openPart(ctx, desk.OpenPart{Kind: kind, Limit: openGrouped}, "first")
		if err != nil {
			return nil, nil, err
		}
		read = append(read, desk.OpenRead{Kind: kind, Items: page.Items, More: page.Next != nil})
	}
	last, err = d.lastCount(ctx)
	return read, last, err
}

func (d *Desk) openPart(ctx context.Context, part desk.OpenPart, flags ...string) (desk.OpenPage, error) {
	flags = append(flags, string(part.Kind))
	page, err := d.readOpenPart(ctx, part, flags...)
	if pgerr.InClass(err, pgerrcode.DataException) || pgerr.Is(err, pgerrcode.RaiseException) {
		page, err = d.readOpenPart(ctx, part, append(flags, "failing")...)
	}
	if err != nil {
		return page, fmt.Errorf("read what is open: %w", err)
	}
	return page, nil
}

func (d *Desk) readOpenPart(ctx context.Context, part desk.OpenPart, flags ...string) (page desk.OpenPage, err error) {
	query, err := d.query("open_page", flags...)
	if err != nil {
		return page, err
	}
	var pattern, money, after *string
	if part.Reason != "" {
		like := printable(desk.LikeReason(part.Reason))
		pattern = &like
	}
	if part.After != nil {
		id := string(part.After.InvoiceID)
		money, after = &part.After.Money, &id
	}
	n := 0
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, string(part.Kind), part.Limit+1, pattern, money, after)
		if err != nil {
			return err
		}
		var i desk.OpenItem
		var worth string
		var open bool
		last := desk.OpenPlace{}
		_, err = pgx.ForEachRow(rows, []any{&i.InvoiceID, &i.Kind, &i.State, &i.Attempt, &i.Reason, &i.Since, &i.Amount, &i.Currency, &worth, &open}, func() error {
			if n++; n > part.Limit {
				page.Next = &last
				return nil
			}
			last = desk.OpenPlace{Money: worth, InvoiceID: i.InvoiceID}
			if open {
				page.Items = append(page.Items, i)
			}
			return nil
		})
		if err != nil || !slices.Contains(flags, "first") {
			return err
		}
		found := make([]beside, len(page.Items))
		for n, i := range page.Items {
			found[n] = beside{id: i.InvoiceID, into: &page.Items[n].Row}
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
