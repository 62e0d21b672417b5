package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// fault is something that happens to a slot's runner, to its connections, or to
// the database. It returns false if there was nothing for it to happen to.
type fault struct {
	name   string
	weight int
	strike func(ctx context.Context, r *round, slot int, rng *rand.Rand) (bool, error)
}

func faults() []fault {
	return []fault{
		{"kill_9", 6, kill},
		{"sigstop", 5, stop},
		{"sigterm", 1, terminate},
		{"terminate_claim", 5, terminateBackend("claim")},
		{"terminate_writer", 5, terminateBackend("writer")},
		{"terminate_run_lock", 3, terminateBackend("run lock")},
		{"restart_fast", 1, restart(false)},
		{"restart_immediate", 2, restart(true)},
		{"network_cut", 5, cut},
		{"network_silent", 4, silence},
		{"row_held", 4, holdRows},
		{"mark_refused", 4, refuseMarks},
		{"no_connections", 2, takeConnections},
	}
}

// pick returns a fault by weight.
func pick(all []fault, rng *rand.Rand) fault {
	sum := 0
	for _, f := range all {
		sum += f.weight
	}
	at := rng.IntN(sum)
	for _, f := range all {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	return all[0]
}

func kill(_ context.Context, r *round, slot int, _ *rand.Rand) (bool, error) {
	target := r.runner(slot)
	if target == nil {
		return false, nil
	}
	target.kill()
	return true, nil
}

func terminate(_ context.Context, r *round, slot int, _ *rand.Rand) (bool, error) {
	target := r.runner(slot)
	if target == nil {
		return false, nil
	}
	target.signal(syscall.SIGTERM)
	return true, nil
}

func stop(ctx context.Context, r *round, slot int, rng *rand.Rand) (bool, error) {
	target := r.runner(slot)
	if target == nil {
		return false, nil
	}
	d := time.Duration(rng.IntN(4000)) * time.Millisecond
	target.signal(syscall.SIGSTOP)
	from := time.Now()
	r.background(func() error {
		_ = sleep(ctx, d)
		target.freeze(from, time.Now())
		target.signal(syscall.SIGCONT)
		return nil
	})
	return true, nil
}

// A claim is the only connection that is idle in a transaction for long; the run
// lock is in the two-integer key space; the others write.
const backendsQuery = `
	select a.pid from pg_stat_activity a
	where a.datname = current_database() and a.application_name = $1 and $2 = case
		when exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.objsubid = 2) then 'run lock'
		when a.state = 'idle in transaction' then 'claim'
		else 'writer' end
	order by a.pid`

func terminateBackend(kind string) func(context.Context, *round, int, *rand.Rand) (bool, error) {
	return func(ctx context.Context, r *round, slot int, rng *rand.Rand) (struck bool, err error) {
		target := r.runner(slot)
		if target == nil {
			return false, nil
		}
		err = r.testbed.askOnce(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
			pids, err := collect[int32](ctx, conn, backendsQuery, target.application(), kind)
			if err != nil || len(pids) == 0 {
				return err
			}
			return conn.QueryRow(ctx, "select pg_terminate_backend($1)", pids[rng.IntN(len(pids))]).Scan(&struck)
		})
		if err != nil {
			return false, nil //nolint:nilerr // another fault has taken the database away
		}
		return struck, nil
	}
}

func restart(immediate bool) func(context.Context, *round, int, *rand.Rand) (bool, error) {
	return func(ctx context.Context, r *round, _ int, _ *rand.Rand) (bool, error) {
		const tries = 5 // while it is down, its port may be taken by a connection that was just made
		var err error
		for range tries {
			if err = r.testbed.server.Restart(context.WithoutCancel(ctx), immediate); err == nil {
				return true, nil
			}
			_ = sleep(ctx, time.Second)
		}
		return false, fmt.Errorf("restart PostgreSQL: %w", err)
	}
}

func cut(ctx context.Context, r *round, slot int, rng *rand.Rand) (bool, error) {
	direction, bytes, d := direction(rng), rng.IntN(2000), time.Duration(rng.IntN(300))*time.Millisecond
	return r.breakNetwork(slot, func(n *network) error { return n.cut(ctx, direction, bytes, d) }), nil
}

func silence(ctx context.Context, r *round, slot int, rng *rand.Rand) (bool, error) {
	direction, d := direction(rng), time.Duration(100+rng.IntN(3000))*time.Millisecond
	if rng.IntN(6) == 0 {
		d = 13 * time.Second // longer than a heartbeat
	}
	return r.breakNetwork(slot, func(n *network) error { return n.swallow(ctx, direction, d) }), nil
}

func direction(rng *rand.Rand) string { return []string{"upstream", "downstream"}[rng.IntN(2)] }
