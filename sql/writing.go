package sql

// BeginWriting begins a transaction that writes the ledger. Everything in it is
// local: through a transaction pooler a plain SET would stay behind for the
// next client.
const BeginWriting = "begin isolation level read committed read write"

// WriterSettings make a commit durable where the DBA's default would not, keep
// the DBA's time-outs from ending it half-way, and keep the planner to index
// look-ups: a plan for an empty ledger would read all of it. What is joined is a
// group with its own rows, found by their ids: hashing that costs as much as there
// is of it, while a nested loop is quadratic wherever the planner thinks it small.
// So there is one plan to find, whatever the ids and the ledger's size, and it is
// made once: to plan a group anew took a quarter of the time of writing it. What the planner is kept
// from costs more than jit_above_cost, and compiling takes a thousand times as long as a
// group does: so nothing is compiled. The
// keepalives bound how long a transaction half of which has arrived, from a client
// that is gone, holds its rows: by Linux's defaults that is two hours, and our own
// second try would wait for it. The search path is the session's own (null is RESET),
// whatever another client of a pooler has left behind. The first column is the transaction's id, as its rows
// have it (xmin).
const WriterSettings = onPrimary + `select pg_current_xact_id()::xid::text,
       set_config('search_path', null, true),
       set_config('synchronous_commit', case when current_setting('synchronous_commit') in ('off', 'local') then 'on' else current_setting('synchronous_commit') end, true),
       set_config('statement_timeout', '60s', true),
       set_config('lock_timeout', '5s', true),
       set_config('enable_seqscan', 'off', true),
       set_config('jit', 'off', true),
       set_config('enable_nestloop', 'off', true),
       set_config('enable_mergejoin', 'off', true),
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('tcp_keepalives_idle', '15', true),
       set_config('tcp_keepalives_interval', '5', true),
       set_config('tcp_keepalives_count', '3', true)`

// OnTimeline is one more column of WriterSettings: on another timeline than $1 the
// transaction fails (22P02), whatever it was to write. Asked in the same transaction,
// since behind a pooler a connection outlives its server; and volatile, so that no plan
// computes the failing cast beforehand.
const OnTimeline = `,
       case when left(pg_walfile_name(pg_current_wal_lsn()), 8) <> $1
            then (left(pg_walfile_name(pg_current_wal_lsn()), 8) || ' is another timeline')::integer end`

// OnServer is one more column, after OnTimeline: the transaction fails likewise on a server
// that does not run since $2, in microseconds of the epoch.
const OnServer = `,
       case when (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint::text <> $2
            then (pg_postmaster_start_time() || ' is when another server was started')::integer end`
