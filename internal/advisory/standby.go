package advisory

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// UnsafeError says that locks don't lock here, or that nothing can be relied
// on: what was seen, why that matters, and what to do. Each is a sentence
// without its full stop.
type UnsafeError struct{ Seen, Why, Remedy string }

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("refused, nothing was touched: %s. %s. %s.", e.Seen, e.Why, e.Remedy)
}

const primaryRemedy = "Let DATABASE_URL lead to the primary, for example with target_session_attrs=read-write"

// RefuseStandby refuses a server in recovery (manual, 26.4): its advisory locks
// are its own, and exclude nobody on the primary. It refuses a session that is
// read-only, too: there, the operator has said that nothing is to be written.
func RefuseStandby(ctx context.Context, conn *pgx.Conn) error {
	recovery, err := askBool(ctx, conn, "select pg_is_in_recovery()")
	if err != nil {
		return fmt.Errorf("ask whether the server is a standby: %w", err)
	}
	if recovery {
		return &UnsafeError{
			Seen:   "The server is a standby: pg_is_in_recovery() is true",
			Why:    "Locks taken here exclude nobody on the primary, and nothing can be written",
			Remedy: primaryRemedy,
		}
	}
	readOnly, err := ask(ctx, conn, "select current_setting('transaction_read_only')")
	if err != nil {
		return fmt.Errorf("ask whether the session is read-only: %w", err)
	}
	if readOnly != "off" {
		return &UnsafeError{
			Seen:   "The session is read-only: transaction_read_only is " + readOnly,
			Why:    "Nothing could be recorded before it is done",
			Remedy: primaryRemedy + "; or set default_transaction_read_only to off for this role and database",
		}
	}
	return nil
}
