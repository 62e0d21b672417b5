-- Purpose: how many of each kind a reconciliation found, with sums by currency.
-- Locks: none.
select kind, currency, count(*), trim_scale(sum(our_amount))::text, trim_scale(sum(their_amount))::text
from billonce_pairs
group by kind, currency
order by kind, currency
