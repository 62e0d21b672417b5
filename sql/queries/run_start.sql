-- Purpose: record that a run began: under the run lock, and before anything else.
-- Locks: none but the new row's.
-- Shape: program is the number of the newest migration, as this program knows it.
--   settings: a fingerprint of each. could_send: how many invoices it can send; null: not known.
--   It may be tried again after a commit whose fate is unknown.
insert into {{.Schema}}.runs (run_id, name, lock_strategy, run_lock, application, version, program, settings, job, could_send)
values ($1, $2, $3, $4, $5, $6, 4, $7, nullif($8, ''), $9)
on conflict (run_id) do nothing
