-- Purpose: how many of each kind a reconciliation found, with sums by currency, how many
--   of them were first sent between since and until, and how many name no key of ours.
-- Locks: none.
select kind, currency, count(*), sum(our_amount)::text, sum(their_amount)::text,
       count(*) filter (where within), count(*) filter (where state is null and not is_id)
from billonce_pairs
group by kind, currency
order by kind, currency
