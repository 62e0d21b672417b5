-- Purpose: pause the book: no run begins a request from then on.
-- Locks: FOR NO KEY UPDATE on the ledger's one row, which runs only read.
-- Shape: a pause that is there already stays whose it is.
-- $1, $2: who and why.
update {{.Schema}}.ledger
set paused_at = now(), paused_by = $1, pause_reason = $2
where only_row and paused_at is null
