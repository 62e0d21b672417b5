package pgdesk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
	"github.com/billonce/billonce/sql"
)

// Paused is the book's pause; nil: it has none.
func (d *Desk) Paused(ctx context.Context) (pause *billing.Pause, err error) {
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		pause, err = readPause(ctx, conn, d.names)
		return err
	})
	return pause, err
}

func readPause(ctx context.Context, conn *pgx.Conn, names sql.Names) (*billing.Pause, error) {
	query, err := sql.Query("paused", names)
	if err != nil {
		return nil, err
	}
	var p billing.Pause
	switch err := conn.QueryRow(ctx, query).Scan(&p.At, &p.By, &p.Reason); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask whether the book is paused: %w", err)
	}
	return &p, nil
}

// Pause stops the book's runs: no request is begun once this has returned. It says
// false where the book was paused already.
func (d *Desk) Pause(ctx context.Context, by, reason string) (bool, error) {
	return d.change(ctx, "pause", words.Storable(by), words.Storable(reason))
}

// Resume ends the pause. It says false where there was none.
func (d *Desk) Resume(ctx context.Context) (bool, error) { return d.change(ctx, "resume") }

// AcceptDatabase has the ledger trust the database that it is in now: a person has made
// sure that it has forgotten nothing that was sent.
func (d *Desk) AcceptDatabase(ctx context.Context, by, reason string) (id billing.Identity, err error) {
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		id, _, err = readIdentity(ctx, conn, d.names)
		return err
	})
	if err != nil {
		return id, err
	}
	text, err := json.Marshal(id)
	if err != nil {
		return id, err
	}
	_, err = d.change(ctx, "accept_identity", string(text), words.Storable(by), words.Storable(reason))
	return id, err
}

// readIdentity says which database this is, and which one the ledger trusts; nil: none
// yet. Where the database, or the role, can't say, nothing is known.
func readIdentity(ctx context.Context, conn *pgx.Conn, names sql.Names) (now billing.Identity, accepted *billing.Identity, err error) {
	queries, err := sql.Identity(names)
	if err != nil {
		return now, nil, err
	}
	cantSay := func() bool {
		return pgerr.Is(err, pgerrcode.UndefinedFunction, pgerrcode.InsufficientPrivilege, pgerrcode.FeatureNotSupported)
	}
	for _, query := range queries {
		err = conn.QueryRow(ctx, query).Scan(&now.System, &now.Database, &now.Ledger, &now.Timeline, &now.Server, &accepted)
		if !cantSay() {
			break
		}
	}
	if cantSay() {
		return billing.Identity{}, nil, nil
	}
	if err != nil {
		return now, nil, fmt.Errorf("ask which database this is: %w", err)
	}
	return now, accepted, nil
}

// change runs a statement on the ledger's row, and says whether it changed it.
func (d *Desk) change(ctx context.Context, name string, args ...any) (changed bool, err error) {
	query, err := d.query(name)
	if err != nil {
		return false, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, query, args...)
		changed = tag.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write to the ledger (%s): %w", name, err)
	}
	return changed, nil
}
