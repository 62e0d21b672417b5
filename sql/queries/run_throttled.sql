-- Purpose: from when on it makes sense to run again: the API has throttled us.
-- Locks: the ledger's row, for an instant.
update {{.Schema}}.ledger
set not_before = now() + make_interval(secs => $1)
