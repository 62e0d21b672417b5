-- Purpose: what a list could adopt: what stands there once, and here is neither sent nor
--   unmarked nor cancelled, as it was compared.
-- Locks: none. A cursor: they may be millions.
declare billonce_adoptable cursor with hold for
select coalesce(invoice_id::text, their_id), key, reply_id, at::text, their_amount::text, their_currency, state, attempt::text, line
from billonce_pairs
where kind in ('theirs_only', 'decides', 'under_way')
  and lines = 1
  and (state is null and is_id or state in ('retry', 'failed', 'submitted', 'in_doubt', 'sending'))
order by billonce_pairs.invoice_id, line
