package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
)

// prove shows that locks lock here, over the connections' very paths, before
// anything relies on them.
func prove(ctx context.Context, c config, db *database) error {
	err := withPair(ctx, db.main, func(a, b *pgx.Conn) error {
		if err := proveMain(ctx, c, db, a, b); err != nil {
			return err
		}
		var err error
		db.pooled, err = advisory.Pooled(ctx, a)
		return err
	})
	if err != nil || c.RunLock == "off" || db.sameServer {
		return err
	}
	return proveSession(ctx, db.lock)
}

func proveMain(ctx context.Context, c config, db *database, a, b *pgx.Conn) error {
	if err := advisory.RefuseStandby(ctx, a); err != nil {
		return err
	}
	if err := advisory.ProveTransactionLocks(ctx, a, b); err != nil {
		return err
	}
	if c.RunLock == "off" || !db.sameServer {
		return nil
	}
	return advisory.ProveSessionLocks(ctx, a, b)
}

// proveSession shows it of a path that session locks alone will use.
func proveSession(ctx context.Context, cfg *pgx.ConnConfig) error {
	return withPair(ctx, cfg, func(a, b *pgx.Conn) error {
		if err := advisory.RefuseStandby(ctx, a); err != nil {
			return err
		}
		return advisory.ProveSessionLocks(ctx, a, b)
	})
}

func withPair(ctx context.Context, cfg *pgx.ConnConfig, f func(a, b *pgx.Conn) error) (err error) {
	var pair [2]*pgx.Conn
	for i := range pair {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
		// What a pooler has thrown out is closed already, and says so.
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		pair[i] = conn
	}
	return f(pair[0], pair[1])
}
