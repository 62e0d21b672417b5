package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
)

// firstConnections makes two, and learns from them whether a pooler is on the
// way. They are kept for those who come after.
func firstConnections(ctx context.Context, db *database) error {
	a, b, err := connectPair(ctx, db.main)
	if err != nil {
		return err
	}
	db.proven.claims = []*pgx.Conn{a, b}
	db.pooled, err = advisory.Pooled(ctx, a)
	return err
}

// prove shows that locks lock here, over the connections' very paths, before
// anything relies on them. It keeps the connections for those who will.
func prove(ctx context.Context, c settings, db *database) error {
	a, b := db.proven.claims[0], db.proven.claims[1]
	if err := proveMain(ctx, c, db, a, b); err != nil {
		return err
	}
	if c.RunLock != "off" && db.sameServer {
		db.proven = proven{claims: []*pgx.Conn{a}, session: b}
	}
	if db.pooled {
		// They prepare statements, which a pooler does not bear.
		closeProven(a)
		closeProven(b)
		db.proven = proven{}
	}
	if c.RunLock == "off" || db.sameServer {
		return nil
	}
	return proveSession(ctx, db)
}

func proveMain(ctx context.Context, c settings, db *database, a, b *pgx.Conn) error {
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
func proveSession(ctx context.Context, db *database) error {
	a, b, err := connectPair(ctx, db.lock)
	if err != nil {
		return err
	}
	db.proven.session = a
	defer closeProven(b)
	if err := advisory.RefuseStandby(ctx, a); err != nil {
		return err
	}
	return advisory.ProveSessionLocks(ctx, a, b)
}
