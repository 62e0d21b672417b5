package advisory

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// time to detect + longest request + margin < time until the server frees
func TestTheServerFreesLaterThanWeKnow(t *testing.T) {
	t.Parallel()
	for _, longest := range []time.Duration{0, time.Second, 3 * time.Second, 30 * time.Second, 30*time.Second + 1, 31 * time.Second, 2 * time.Minute, 90*time.Minute + 500*time.Millisecond} {
		sql := settings("set", 15, longest)
		idle, interval, count := number(t, sql, "tcp_keepalives_idle"), number(t, sql, "tcp_keepalives_interval"), number(t, sql, "tcp_keepalives_count")
		frees := time.Duration(idle+interval*count) * time.Second
		if needs := HeartbeatTimeout + longest + freeMargin; needs >= frees {
			t.Errorf("longest request %s: the server frees after %s, we need more than %s", longest, frees, needs)
		}
		if longest+25*time.Second < frees {
			t.Errorf("longest request %s: the server frees after %s, which others wait for", longest, frees)
		}
		user := time.Duration(number(t, sql, "tcp_user_timeout")) * time.Millisecond
		if needs := HeartbeatTimeout + longest + freeMargin; needs >= user || user >= frees || user <= frees-keepaliveInterval {
			t.Errorf("longest request %s: tcp_user_timeout frees after %s, keepalives after %s", longest, user, frees)
		}
	}
}

func number(t testing.TB, sql, name string) int {
	t.Helper()
	_, rest, _ := strings.Cut(sql, name+" = ")
	value, _, _ := strings.Cut(rest, ";")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s in %q: %v", name, sql, err)
	}
	return n
}

func TestSettingsFollowTheVersion(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]int{
		"statement_timeout": 0, "lock_timeout": 0, "idle_in_transaction_session_timeout": 0, "tcp_keepalives_idle": 0,
		"tcp_user_timeout": 12, "idle_session_timeout": 14, "client_connection_check_interval": 14, "transaction_timeout": 17,
	} {
		for _, version := range []int{0, 11, 12, 13, 14, 16, 17, 18} {
			if has := strings.Contains(settings("set", version, 0), " "+name+" = "); has != (version >= since) {
				t.Errorf("version %d sets %s: %t", version, name, has)
			}
		}
	}
	for version, want := range map[string]int{"15.14 (Debian 15.14-0+deb12u1)": 15, "18beta1": 18, "9.6.24": 9, "17": 17, "": 0, "x": 0} {
		if got := majorVersion(version); got != want {
			t.Errorf("majorVersion(%q) = %d, want %d", version, got, want)
		}
	}
}

// A DBA's time-outs would end a lock connection in mid-flight.
const dba = `set statement_timeout = 60000; set lock_timeout = 60000; set idle_in_transaction_session_timeout = 60000;
	set tcp_keepalives_idle = 3; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 2; set tcp_user_timeout = 9000`

// dbaSince14 is what PostgreSQL has since version 14.
const dbaSince14 = `set idle_session_timeout = 60000; set client_connection_check_interval = 0`

// dbasAndOurs sets what a DBA might, and returns how it is shown, and how ours is for a
// longest request of 90 s.
func dbasAndOurs(t testing.TB, conn *pgx.Conn) (dbas, ours string) {
	t.Helper()
	exec(t, conn, dba)
	if majorVersion(conn.PgConn().ParameterStatus("server_version")) < 14 {
		return "1min 1min 1min 3 2 2 9000", "0 0 0 98 5 3 112000"
	}
	exec(t, conn, dbaSince14)
	return "1min 1min 1min 3 2 2 9000 1min 0", "0 0 0 98 5 3 112000 0 10s"
}

func shown(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	return query[string](t, conn, `select string_agg(current_setting(name, true), ' ' order by n) from unnest(array[
		'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
		'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'tcp_user_timeout',
		'idle_session_timeout', 'client_connection_check_interval']) with ordinality as s (name, n)`)
}

func TestSessionSettingsOverrideTheDBAs(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	dbas, ours := dbasAndOurs(t, conn)
	if got := shown(t, conn); got != dbas {
		t.Fatalf("the test's own settings: %s", got)
	}
	exec(t, conn, SessionSettings(conn, 90*time.Second))
	if got := shown(t, conn); got != ours {
		t.Errorf("got %s, want %s", got, ours)
	}
}

func TestTransactionSettingsEndWithTheTransaction(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	for _, end := range []string{"commit", "rollback"} {
		dbas, ours := dbasAndOurs(t, conn)
		exec(t, conn, "begin isolation level read committed read write; "+TransactionSettings(conn, 90*time.Second))
		if got := shown(t, conn); got != ours {
			t.Errorf("inside: got %s, want %s", got, ours)
		}
		exec(t, conn, end)
		if got := shown(t, conn); got != dbas {
			t.Errorf("after %s: got %s, want %s", end, got, dbas)
		}
	}
}

// Some servers refuse a setting: hosted ones, or a platform without POLLRDHUP.
// The transaction must survive that.
func TestARefusedCheckIntervalCostsNothing(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	begin(t, conn)
	sql := TransactionSettings(conn, 0)
	if majorVersion(conn.PgConn().ParameterStatus("server_version")) < 14 {
		t.Skip("PostgreSQL has this setting since version 14")
	}
	refused := strings.Replace(sql, "client_connection_check_interval = 10000", "client_connection_check_interval = -5", 1)
	if refused == sql {
		t.Fatalf("no check interval in %q", sql)
	}
	exec(t, conn, refused)
	if status := conn.PgConn().TxStatus(); status != 'T' {
		t.Errorf("transaction state %c", status)
	}
	tryLockAll(t, conn, 1)
}
