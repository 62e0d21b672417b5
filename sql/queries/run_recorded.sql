-- Purpose: whether the database knows of this run: a fail-over may have lost its beginning.
-- Locks: none.
select exists (select from {{.Schema}}.runs where run_id = $1)
