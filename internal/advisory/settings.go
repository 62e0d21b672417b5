package advisory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A lost connection must be noticed here before the server frees its locks:
//
//	time to detect + longest request + margin < time until the server frees
//
// We detect within HeartbeatInterval + HeartbeatTimeout. The server frees after
// idle + interval × count seconds without an answer to its keepalives.
const (
	// HeartbeatInterval is how often a connection that says nothing is asked.
	HeartbeatInterval = 5 * time.Second
	// HeartbeatTimeout is how long an answer may take.
	HeartbeatTimeout = 5 * time.Second

	keepaliveIdle     = 30 * time.Second
	keepaliveInterval = 10 * time.Second
	keepaliveCount    = 3
	freeMargin        = 10 * time.Second
)

// SessionSettings is the SQL that prepares a dedicated lock connection: the
// server notices a dead client in time, and no time-out of the DBA's ends it
// while it is rightly idle. To be run after connecting, since poolers refuse
// unknown start-up parameters. longestRequest is how long work that relies on
// the lock may take.
func SessionSettings(conn *pgx.Conn, longestRequest time.Duration) string {
	return settings("set", conn, longestRequest)
}

// TransactionSettings is the same for the inside of a transaction that holds
// locks: a plain SET through a transaction pooler would stay behind for the
// next client.
func TransactionSettings(conn *pgx.Conn, longestRequest time.Duration) string {
	return settings("set local", conn, longestRequest)
}

func settings(set string, conn *pgx.Conn, longestRequest time.Duration) string {
	idle := max(keepaliveIdle,
		HeartbeatInterval+HeartbeatTimeout+longestRequest+freeMargin-keepaliveInterval*keepaliveCount)
	all := []string{
		fmt.Sprintf("tcp_keepalives_idle = %d", int(idle.Seconds())),
		fmt.Sprintf("tcp_keepalives_interval = %d", int(keepaliveInterval.Seconds())),
		fmt.Sprintf("tcp_keepalives_count = %d", keepaliveCount),
		"statement_timeout = 0",
		"lock_timeout = 0",
		"idle_in_transaction_session_timeout = 0",
	}
	version := serverVersion(conn)
	if version >= 14 {
		all = append(all, "client_connection_check_interval = '10s'", "idle_session_timeout = 0")
	}
	if version >= 17 {
		all = append(all, "transaction_timeout = 0")
	}
	return set + " " + strings.Join(all, "; "+set+" ")
}

// serverVersion is the server's major version, 0 if it does not tell.
func serverVersion(conn *pgx.Conn) int {
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	digits := strings.IndexFunc(major, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		major = major[:digits]
	}
	n, _ := strconv.Atoi(major)
	return n
}
