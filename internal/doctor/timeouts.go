package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
)

// examineTimeouts sets what a claim sets, and reads back what is in force.
func examineTimeouts(ctx context.Context, e *exam) (Finding, error) {
	conn := e.lock[0]
	if err := conn.PgConn().Exec(ctx, "begin; "+advisory.TransactionSettings(conn, e.Longest)).Close(); err != nil {
		return Finding{}, fmt.Errorf("set them for a transaction: %w", err)
	}
	rows, err := conn.Query(ctx, advisory.OnPrimary+`select name, setting from pg_settings where name in (
		'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'client_connection_check_interval',
		'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`)
	if err != nil {
		return Finding{}, err
	}
	set := map[string]int{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() (err error) {
		set[name], err = strconv.Atoi(value)
		return err
	})
	if err != nil {
		return Finding{}, err
	}
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"} {
		if set[name] != 0 {
			return refused("Let the role override it: it would end a claim while its requests are on their way", "%s stays at %d ms", name, set[name]), nil
		}
	}
	frees := time.Duration(set["tcp_keepalives_idle"]+set["tcp_keepalives_interval"]*set["tcp_keepalives_count"]) * time.Second
	needs := advisory.HeartbeatTimeout + e.Longest
	switch {
	case frees == 0:
		return ok("no TCP between here and the server: it notices at once when a runner ends"), nil
	case frees <= needs:
		return refused("Lower BILLING_TIMEOUT, or let the role set tcp_keepalives_idle",
			"the server would free a lost runner's locks after %s, and its last request may take until %s", frees, needs), nil
	}
	seen := fmt.Sprintf("a runner that is cut off stops within %s; its last request ends by %s, and the server frees its locks after %s",
		advisory.HeartbeatTimeout, needs, frees)
	return ok("%s", seen), nil
}

func examineIsolation(ctx context.Context, e *exam) (Finding, error) {
	var theirs, ours string
	if err := e.main[0].QueryRow(ctx, advisory.OnPrimary+"select current_setting('default_transaction_isolation')").Scan(&theirs); err != nil {
		return Finding{}, err
	}
	tx, err := e.main[0].BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return Finding{}, err
	}
	defer tx.Rollback(ctx)
	if err := tx.QueryRow(ctx, advisory.OnPrimary+"select current_setting('transaction_isolation')").Scan(&ours); err != nil {
		return Finding{}, err
	}
	if ours != "read committed" {
		return refused("Let READ COMMITTED be had here: under any other level the look after the lock is stale",
			"READ COMMITTED was asked for, and %s came", ours), nil
	}
	return ok("claims are READ COMMITTED, as they must be (the default here is %s)", theirs), nil
}

// perRunner is how many connections a runner opens, at most.
const perRunner = 11

// connectionLimits are all that bound the connections of this role to this
// database (manual, 20.3.1, CREATE DATABASE, CREATE ROLE).
const connectionLimits = `
	select 'max_connections',
	       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
	           - coalesce(current_setting('reserved_connections', true), '0')::int,
	       (select sum(numbackends)::int from pg_stat_database)
	union all
	select 'the CONNECTION LIMIT of the database', datconnlimit, (select numbackends from pg_stat_database where datid = d.oid)
	from pg_database d where datname = current_database() and datconnlimit >= 0
	union all
	select 'the CONNECTION LIMIT of the role', rolconnlimit, (select count(*)::int from pg_stat_activity where usesysid = r.oid)
	from pg_roles r where rolname = session_user and rolconnlimit >= 0`

func examineConnections(ctx context.Context, e *exam) (Finding, error) {
	rows, err := e.main[0].Query(ctx, advisory.OnPrimary+connectionLimits)
	if err != nil {
		return Finding{}, err
	}
	type limit struct {
		name       string
		most, used int
	}
	limits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l limit, err error) {
		return l, row.Scan(&l.name, &l.most, &l.used)
	})
	if err != nil {
		return Finding{}, err
	}
	tightest := slices.MinFunc(limits, func(a, b limit) int { return (a.most - a.used) - (b.most - b.used) })
	used := tightest.used - len(e.main)
	if !e.OnePath {
		used -= len(e.lock)
	}
	used = max(0, used)
	seen := fmt.Sprintf("%d of %d in use; %s may open %d more", used, tightest.most, runners(e.Runners), perRunner*e.Runners)
	if perRunner*e.Runners > tightest.most-used {
		return warning(fmt.Sprintf("Raise %s, start fewer runners, or put a pooler in transaction mode before it, with LOCK_DATABASE_URL past it", tightest.name),
			"%s", seen), nil
	}
	return ok("%s", seen), nil
}
