package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/reconcile"
)

// pageDesk is the desk behind the page. Its connection is made anew after the database
// was away.
type pageDesk struct {
	c settings
	d *database

	mu   sync.Mutex
	desk *pgdesk.Desk
}

// reopenTimeout is how long a reader waits for a database that is away.
const reopenTimeout = 10 * time.Second

func (p *pageDesk) book() pgstore.DeskBook {
	return p.c.deskBook()
}

// now is the desk, with a connection that is not known to be lost.
func (p *pageDesk) now(ctx context.Context) (*pgdesk.Desk, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desk != nil && p.desk.Lost() {
		_ = p.desk.Close(ctx)
		p.desk = nil
	}
	if p.desk == nil {
		ctx, cancel := context.WithTimeoutCause(ctx, reopenTimeout, fmt.Errorf("no connection to the database within %s", reopenTimeout))
		defer cancel()
		d, err := pgdesk.Open(ctx, p.d.main, p.book())
		if err != nil {
			return nil, err
		}
		p.desk = d
	}
	return p.desk, nil
}

func (p *pageDesk) close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desk == nil {
		return nil
	}
	return p.desk.Close(ctx)
}

// by asks the desk.
func by[T any](ctx context.Context, p *pageDesk, ask func(*pgdesk.Desk) (T, error)) (answer T, err error) {
	d, err := p.now(ctx)
	if err != nil {
		return answer, err
	}
	return ask(d)
}

func (p *pageDesk) Status(ctx context.Context) (desk.Status, error) {
	return pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{
		Conn: p.d.main, Book: p.book(), Namespace: p.c.LockNamespace, RunName: p.c.RunName, Quick: true,
	})
}

func (p *pageDesk) Nights(ctx context.Context) ([]desk.Night, error) {
	return by(ctx, p, func(d *pgdesk.Desk) ([]desk.Night, error) { return d.Nights(ctx) })
}

func (p *pageDesk) History(ctx context.Context, id billing.InvoiceID) (desk.History, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (desk.History, error) { return d.History(ctx, id) })
}

func (p *pageDesk) OpenRead(ctx context.Context) (read []desk.OpenRead, last *desk.OpenCount, err error) {
	d, err := p.now(ctx)
	if err != nil {
		return nil, nil, err
	}
	return d.OpenRead(ctx)
}

func (p *pageDesk) OpenPage(ctx context.Context, part desk.OpenPart) (desk.OpenPage, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (desk.OpenPage, error) { return d.OpenPage(ctx, part) })
}

func (p *pageDesk) Deliveries(ctx context.Context, ids []billing.InvoiceID) ([]desk.Delivery, error) {
	return by(ctx, p, func(d *pgdesk.Desk) ([]desk.Delivery, error) { return d.Deliveries(ctx, ids) })
}

func (p *pageDesk) SameMarking(ctx context.Context) error {
	d, err := p.now(ctx)
	if err != nil {
		return err
	}
	return d.SameMarking(ctx)
}

func (p *pageDesk) Resolvable(ctx context.Context, seen desk.Delivery) (billing.Resolvable, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (billing.Resolvable, error) { return d.Resolvable(ctx, seen) })
}

func (p *pageDesk) Resolve(ctx context.Context, seen desk.Delivery, r billing.Resolution, ruling billing.Ruling) (billing.Resolved, error) {
	d, err := p.now(ctx)
	if err != nil {
		return billing.NotResolved, err
	}
	return d.Resolve(ctx, seen, r, ruling)
}

func (p *pageDesk) Paused(ctx context.Context) (*billing.Pause, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (*billing.Pause, error) { return d.Paused(ctx) })
}

func (p *pageDesk) Pause(ctx context.Context, who, reason string) (bool, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (bool, error) { return d.Pause(ctx, who, reason) })
}

func (p *pageDesk) Resume(ctx context.Context) (bool, error) {
	return by(ctx, p, func(d *pgdesk.Desk) (bool, error) { return d.Resume(ctx) })
}

// Search has a connection of its own: it takes as long as the ledger is, and ends as its
// reader leaves.
func (p *pageDesk) Search(ctx context.Context, what desk.SearchFor, text string, show func(desk.Hit) error) error {
	d, err := pgdesk.Open(ctx, p.d.main, p.book())
	if err != nil {
		return err
	}
	err = d.Search(ctx, what, text, show)
	if ctx.Err() != nil {
		_ = d.Close(ctx) // it is broken off
		return err
	}
	return errors.Join(err, d.Close(ctx))
}

func (p *pageDesk) Reconciliations(ctx context.Context, limit int) ([]desk.Reconciled, error) {
	return by(ctx, p, func(d *pgdesk.Desk) ([]desk.Reconciled, error) { return d.Reconciliations(ctx, limit) })
}

func (p *pageDesk) Reconciliation(ctx context.Context, id string) (r desk.Reconciled, found []desk.Difference, err error) {
	d, err := p.now(ctx)
	if err != nil {
		return r, nil, err
	}
	r, kept, err := d.Reconciliation(ctx, id)
	if err != nil {
		return r, nil, err
	}
	found, err = reconcile.Kept(kept)
	return r, found, err
}
