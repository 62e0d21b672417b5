-- Purpose: whether the database knows of this run, and where the run has told last that all
--   stands, see run_stands.sql: a fail-over may have lost either.
-- Locks: none.
select count(*) > 0, coalesce(max(concat(identity ->> 'timeline', ' ', identity ->> 'server')), '') from {{.Schema}}.runs where run_id = $1
