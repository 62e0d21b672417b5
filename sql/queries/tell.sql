-- Purpose: keep what NOTIFY_URL has taken, so that nobody is told of it again.
-- Locks: FOR NO KEY UPDATE on the ledger's one row.
-- $1: what it has taken.
update {{.Schema}}.ledger set told_at = now(), told = $1 where only_row
