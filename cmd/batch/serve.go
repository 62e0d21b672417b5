package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
	"billonce/internal/config"
	"billonce/internal/desk"
	"billonce/internal/desk/pgdesk"
	"billonce/internal/web"
)

func (a app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve a page that shows the runs, the nights and each invoice's history",
		Long: `serve shows a book's runs and deliveries in a browser, at SERVE_ADDR
(127.0.0.1:8321). On loopback whoever is on the machine may read. Elsewhere readers
are known by SERVE_USERS_FILE or SERVE_PROXY_HEADER. It shows, and decides nothing:
that is done by ` + "`batch resolve`" + `. It ends on SIGTERM.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), a.serve)
		},
	}
}

func (a app) serve(ctx context.Context, c settings, d *database) error {
	if err := config.Join(c.page.Read()); err != nil {
		return usage(err)
	}
	page := web.Page{Book: c.RunName, Log: newTerminal(a.stderr, c).logger(c), Desk: &pageDesk{c: c, d: d}}
	err := web.Serve(ctx, c.page, page, func(url string) {
		_, _ = fmt.Fprintf(a.stdout, "The page is at %s\n", url)
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// pageDesk is the desk behind the page. Its connection is made anew after the database
// was away.
type pageDesk struct {
	c settings
	d *database

	mu   sync.Mutex
	desk *pgdesk.Desk
}

func (p *pageDesk) Status(ctx context.Context) (desk.Status, error) {
	return pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{
		Conn: p.d.main, Book: pgstore.DeskBook{Book: p.c.book}, Namespace: p.c.LockNamespace, RunName: p.c.RunName,
	})
}

func (p *pageDesk) Nights(ctx context.Context) (nights []desk.Night, err error) {
	err = p.use(ctx, func(d *pgdesk.Desk) (err error) {
		nights, err = d.Nights(ctx)
		return err
	})
	return nights, err
}

func (p *pageDesk) History(ctx context.Context, id billing.InvoiceID) (h desk.History, err error) {
	err = p.use(ctx, func(d *pgdesk.Desk) (err error) {
		h, err = d.History(ctx, id)
		return err
	})
	return h, err
}

func (p *pageDesk) use(ctx context.Context, f func(*pgdesk.Desk) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desk != nil && p.desk.Lost() {
		_ = p.desk.Close(ctx)
		p.desk = nil
	}
	if p.desk == nil {
		d, err := pgdesk.Open(ctx, p.d.main, pgstore.DeskBook{Book: p.c.book})
		if err != nil {
			return err
		}
		p.desk = d
	}
	return f(p.desk)
}
