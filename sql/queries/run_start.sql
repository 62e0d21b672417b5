-- Purpose: record that a run began, under the run lock and before anything else; and after
--   a fail-over, that it has written again what it remembers.
-- Locks: none but the run's own row, which nobody else writes.
-- Shape: program is the number of the newest migration, as this program knows it.
--   application is the one that this connection has: the server cuts a name off after
--   63 bytes and replaces what is not ASCII, and under another one a living run would
--   look dead; $5 is for a server that does not show it.
--   settings: a fingerprint of each. could_send: how many invoices it can send; null: not known.
--   $12: which database it sees; {}: that is not known. $13: more was lost there than it
--   remembers.
--   It may be tried again after a commit whose fate is unknown.
insert into {{.Schema}}.runs (run_id, name, lock_strategy, run_lock, application, version, program, settings, job, could_send,
    mark_sent_sha256, pending_sha256, identity)
values ($1, $2, $3, $4,
    coalesce((select nullif(application_name, '') from pg_stat_activity where pid = pg_backend_pid()), $5), $6, 4, $7, nullif($8, ''), $9, $10, $11, nullif($12::jsonb, '{}') || case when $13 then jsonb_build_object('lost', now()) else '{}' end)
on conflict (run_id) do update set identity = excluded.identity
