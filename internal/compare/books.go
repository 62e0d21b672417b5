package compare

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing/book"
	"billonce/internal/billing/pgstore"
)

const (
	adminDatabase = "postgres"
	application   = "billonce/compare"
	demoTable     = "invoices"
)

// PostgreSQL is a server that may be filled and emptied at will.
type PostgreSQL interface {
	URL(database string) string
}

// books makes databases that are all alike: copies of one template with a
// ledger and a number of pending invoices.
type books struct {
	server   PostgreSQL
	admin    *pgx.Conn
	template string
	made     int
}

func openBooks(ctx context.Context, server PostgreSQL, invoices int) (_ *books, err error) {
	admin, err := pgx.Connect(ctx, server.URL(adminDatabase))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// Others may be at work on the same server, with a template of their own.
	b := &books{server: server, admin: admin, template: "compare_" + strings.ToLower(rand.Text())}
	if err := b.fillTemplate(ctx, invoices); err != nil {
		return nil, errors.Join(err, b.close(ctx))
	}
	return b, nil
}

func (b *books) close(ctx context.Context) error {
	return b.admin.Close(context.WithoutCancel(ctx))
}

func (b *books) fillTemplate(ctx context.Context, invoices int) error {
	if err := b.exec(ctx, "create database "+b.template); err != nil {
		return err
	}
	cfg, err := pgstore.ParseURL(b.server.URL(b.template), application)
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, invoices); err != nil {
		return err
	}
	// What `batch run` assumes where nothing else is configured.
	if _, err := pgstore.Migrate(ctx, cfg, book.Demo()); err != nil {
		return err
	}
	return vacuum(ctx, cfg)
}

// vacuum sets what a first reader of the rows would otherwise have to set.
func vacuum(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, "vacuum (freeze, analyze)"); err != nil {
		return fmt.Errorf("vacuum the template: %w", err)
	}
	return nil
}

// add makes one more copy and returns its name.
func (b *books) add(ctx context.Context) (string, error) {
	b.made++
	name := fmt.Sprintf("%s_%d", b.template, b.made)
	return name, b.exec(ctx, fmt.Sprintf("create database %s template %s", name, b.template))
}

func (b *books) exec(ctx context.Context, statement string) error {
	if _, err := b.admin.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
