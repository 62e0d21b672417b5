-- Purpose: where the provider's list is read into, for this session alone.
-- Locks: none but the catalogue's.
-- Shape: made of the ledger's columns, so that the key has its type and its collation:
--   else its index would not be used.
create temporary table billonce_theirs as
select 0::bigint as line, invoice_id as id, ''::text as foreign_id, idempotency_key as key, ''::text as reply_id,
       0::numeric as amount, ''::text as currency, ''::text as status, true as acted, now() as at
from {{.Schema}}.deliveries
limit 0
