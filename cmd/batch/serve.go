package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/web"
)

func (a app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve a page that shows the runs, and lets people decide what is open",
		Long: `serve shows a book's runs and what is open in a browser, at SERVE_ADDR
(127.0.0.1:8321). On loopback whoever is on the machine may read. Elsewhere readers
are known by SERVE_USERS_FILE or SERVE_PROXY_HEADER, and who is named in SERVE_DECIDERS
decides, as by ` + "`batch resolve`" + `. It ends on SIGTERM.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), a.serve)
		},
	}
}

func (a app) serve(ctx context.Context, c settings, d *database) (err error) {
	if err := config.Join(c.page.Read()); err != nil {
		return usage(err)
	}
	behind := &pageDesk{c: c, d: d}
	page := web.Page{Book: c.RunName, Log: newTerminal(a.stderr, c).logger(c), Desk: behind, Opened: behind, Decider: behind, Pauser: behind, Searcher: behind, Reconciler: behind}
	defer func() { err = errors.Join(err, behind.close(context.WithoutCancel(ctx))) }()
	err = web.Serve(ctx, c.page, page, func(url string) {
		_, _ = fmt.Fprintf(a.stdout, "The page is at %s\n", url)
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
