-- Purpose: end the pause.
-- Locks: FOR NO KEY UPDATE on the ledger's one row, which runs only read.
update {{.Schema}}.ledger
set paused_at = null, paused_by = null, pause_reason = null
where only_row and paused_at is not null
