-- Purpose: whether the database knows of this run, and on which timeline the run has told
--   last that all stands: a fail-over may have lost either.
-- Locks: none.
select count(*) > 0, coalesce(max(identity ->> 'timeline'), '') from {{.Schema}}.runs where run_id = $1
