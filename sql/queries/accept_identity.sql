-- Purpose: trust this database: what its ledger has is all that was sent.
-- Locks: FOR NO KEY UPDATE on the ledger's one row, which runs only read.
-- Shape: what was trusted before is kept; not where several runs say the same.
-- $1: the identity; $2, $3: who and why.
update {{.Schema}}.ledger
set accepted_before = case when accepted_at is null or accepted_identity = $1::jsonb and accepted_by = $2 then accepted_before
        else accepted_before || jsonb_build_array(jsonb_build_object(
            'identity', accepted_identity, 'at', accepted_at, 'by', accepted_by, 'reason', accepted_reason)) end,
    accepted_identity = $1::jsonb, accepted_at = now(), accepted_by = $2, accepted_reason = $3,
    found_identity = null, found_at = null, newest_sent_at = null
where only_row
