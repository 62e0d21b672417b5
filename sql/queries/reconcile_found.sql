-- Purpose: what a reconciliation found of one kind ($1), at most $2 of them.
-- Locks: none.
select kind, coalesce(invoice_id::text, case when is_id then their_id end, ''), coalesce(their_id, ''), coalesce(line, 0), coalesce(lines, 0),
       coalesce(state, ''), coalesce(attempt, 0), coalesce(our_amount::text, ''), coalesce(our_currency, ''),
       coalesce(their_amount::text, ''), coalesce(their_currency, ''), coalesce(status, ''), coalesce(reply_id, ''),
       coalesce(key, ''), at
from billonce_pairs
where kind = $1
order by billonce_pairs.invoice_id, line
limit $2
