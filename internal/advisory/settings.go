package advisory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A lost connection must be noticed here before the server frees its locks for
// others:
//
//	time to detect + longest request + margin < time until the server frees
//
// We detect within HeartbeatTimeout. The server frees after idle + interval ×
// count without an answer to its keepalives (manual, 19.3.2), counted from the last
// that it received. With the values below, a longest request of 30 s makes
// 10 + 30 + 10 = 50 < 53 = 38 + 5 × 3, and one of 3 s 23 < 26 = 11 + 5 × 3: not much
// later either, since others wait for what a lost client had.
//
// To tighten the server alone makes a split brain: it frees before the client
// knows. To leave it alone makes a dead client keep its locks for two hours.
const (
	keepaliveInterval = 5 * time.Second
	keepaliveCount    = 3
	freeMargin        = 10 * time.Second
	freeSlack         = 3 * time.Second // what makes it "less than", for clocks and scheduling

	keepaliveEarly = time.Second // less than freeSlack

	checkInterval = 10 * time.Second
)

// SessionSettings is the SQL that prepares a dedicated lock connection: the
// server notices a dead client, though not too early, and no time-out of the
// DBA's ends the connection while it is rightly idle. longestRequest is how
// long work that relies on the lock may take once it has begun.
//
// It is to be run after connecting: poolers refuse unknown start-up parameters.
func SessionSettings(conn *pgx.Conn, longestRequest time.Duration) string {
	return settings("set", majorVersion(conn.PgConn().ParameterStatus("server_version")), longestRequest)
}

// TransactionSettings is the same for the inside of a transaction that holds
// locks, and ends with it: a plain SET through a transaction pooler would stay
// behind for the next client. What others have left behind is undone where it would
// change what a statement means.
func TransactionSettings(conn *pgx.Conn, longestRequest time.Duration) string {
	return "set local search_path to default; " +
		settings("set local", majorVersion(conn.PgConn().ParameterStatus("server_version")), longestRequest)
}

func settings(set string, version int, longestRequest time.Duration) string {
	idle := keepaliveIdleFor(longestRequest)
	all := []string{
		fmt.Sprintf("tcp_keepalives_idle = %d", seconds(idle)),
		fmt.Sprintf("tcp_keepalives_interval = %d", seconds(keepaliveInterval)),
		fmt.Sprintf("tcp_keepalives_count = %d", keepaliveCount),
		"statement_timeout = 0",
		"lock_timeout = 0",
		"idle_in_transaction_session_timeout = 0",
		// Statements of ours are short, whatever the planner takes them for: where it has no
		// statistics yet, compiling them is all that they would take.
		"jit = off",
	}
	if version >= 12 {
		// On Linux it overrules the keepalives: a DBA's lower value would free
		// too early. It also bounds what they don't: a partition that begins
		// while an answer is on its way, which the kernel repeats for 15 minutes.
		// It is looked at as each keepalive is due: one that is a moment early
		// would wait for the next.
		all = append(all, fmt.Sprintf("tcp_user_timeout = %d", (idle+keepaliveInterval*keepaliveCount-keepaliveEarly).Milliseconds()))
	}
	if version >= 14 {
		all = append(all, "idle_session_timeout = 0")
	}
	if version >= 17 {
		all = append(all, "transaction_timeout = 0")
	}
	sql := set + " " + strings.Join(all, "; "+set+" ")
	if version >= 14 {
		// A platform without POLLRDHUP refuses it (manual, 19.3.2), as do some
		// hosted servers; it must not cost the claim then.
		sql += fmt.Sprintf("; do $$ begin %s client_connection_check_interval = %d; exception when others then null; end $$",
			set, checkInterval.Milliseconds())
	}
	return sql
}

// keepaliveIdleFor solves the rule above for idle, in whole seconds.
func keepaliveIdleFor(longestRequest time.Duration) time.Duration {
	idle := HeartbeatTimeout + longestRequest + freeMargin + freeSlack - keepaliveInterval*keepaliveCount
	return time.Duration(seconds(idle)) * time.Second
}

// seconds rounds up: less would free too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// majorVersion reads the first number of a server_version such as "15.14
// (Debian 15.14-0+deb12u1)" or "18beta1"; 0 if there is none.
func majorVersion(version string) int {
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		version = version[:end]
	}
	n, err := strconv.Atoi(version)
	if err != nil {
		return 0
	}
	return n
}
