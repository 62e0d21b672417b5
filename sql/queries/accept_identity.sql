-- Purpose: trust this database: what its ledger has is all that was sent.
-- Locks: FOR NO KEY UPDATE on the ledger's one row, which runs only read.
-- $1: the identity; $2, $3: who and why.
update {{.Schema}}.ledger
set accepted_identity = $1::jsonb, accepted_at = now(), accepted_by = $2, accepted_reason = $3,
    found_identity = null, found_at = null, newest_sent_at = null
where only_row
