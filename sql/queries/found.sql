-- Purpose: why an invoice is open though its delivery does not say so, as runs found it.
-- Locks: none.
-- $1: its id.
select kind, reason, since
from (
    select 'pending_again', reason, since from {{.Schema}}.pending_again where invoice_id = $1::{{.KeyType}}
    union all
    select 'set_aside', reason, since from {{.Schema}}.set_aside where invoice_id = $1::{{.KeyType}}
) as found (kind, reason, since)
