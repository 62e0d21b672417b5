package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

// Identity says which database this is, and which one the ledger trusts; nil: none yet.
// Where the database can't say, nothing is known.
func (s *Store) Identity(ctx context.Context) (now billing.Identity, accepted *billing.Identity, err error) {
	err = s.insist(ctx, readTime, func() error {
		now, accepted, err = s.identity(ctx)
		return err
	})
	return now, accepted, err
}

// identity is Identity, asked once.
func (s *Store) identity(ctx context.Context) (now billing.Identity, accepted *billing.Identity, err error) {
	err = s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var text []byte
		for _, query := range s.sql.identity {
			err = conn.QueryRow(ctx, query).Scan(&now.System, &now.Database, &now.Ledger, &now.Timeline, &now.Server, &text)
			if !cantSay(err) {
				break
			}
		}
		if cantSay(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &accepted)
	})
	if err != nil {
		return now, nil, fmt.Errorf("ask which database this is: %w", err)
	}
	return now, accepted, nil
}

// cantSay: this kind of database, or the role, does not tell.
func cantSay(err error) bool {
	return pgerr.Is(err, pgerrcode.UndefinedFunction, pgerrcode.InsufficientPrivilege, pgerrcode.FeatureNotSupported)
}

// AcceptIdentity makes a database the one that the ledger trusts.
func (s *Store) AcceptIdentity(ctx context.Context, id billing.Identity, by, reason string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.acceptIdentity, string(text), by, reason)
		return w.commit(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("record which database the ledger trusts: %w", err)
	}
	return nil
}

// FoundIdentity writes down that the database is another one than the ledger trusts, and
// returns when the newest request was sent that it knows, and how long ago.
func (s *Store) FoundIdentity(ctx context.Context, id billing.Identity) (newest time.Time, age time.Duration, err error) {
	return s.foundIdentity(ctx, id, 0)
}

// foundIdentity leaves out what a run has written since it began to write again.
func (s *Store) foundIdentity(ctx context.Context, id billing.Identity, since time.Duration) (newest time.Time, age time.Duration, err error) {
	text, err := json.Marshal(id)
	if err != nil {
		return newest, 0, err
	}
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var seconds float64
		err := conn.QueryRow(ctx, s.sql.foundIdentity, string(text), since.Seconds()).Scan(&newest, &seconds)
		age = time.Duration(seconds * float64(time.Second))
		return err
	})
	if err != nil {
		return newest, 0, fmt.Errorf("record that the database is another one: %w", err)
	}
	return newest, age, nil
}
