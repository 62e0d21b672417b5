package advisory

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Pooled says whether a pooler stands between us and the server: then what a
// session has prepared need not stay with it. A client is told the number of
// its server process as it connects, to cancel by (manual, Message Formats,
// BackendKeyData). A pooler lends processes, and has to make up a number.
func Pooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	process, err := ask(ctx, conn, backend)
	if err != nil {
		return false, fmt.Errorf("look for a pooler: %w", err)
	}
	return process != strconv.FormatUint(uint64(conn.PgConn().PID()), 10), nil
}
