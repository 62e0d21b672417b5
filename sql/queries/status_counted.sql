-- Purpose: what is in no index, counted: sent, sent since midnight, sending.
-- Locks: none.
-- Shape: it reads the whole ledger, and is for small ones only. An index that
--   could answer it would cost every delivery two more writes.
select count(*) filter (where state = 'sent'),
       count(*) filter (where state = 'sent' and updated_at >= date_trunc('day', now())),
       count(*) filter (where state = 'sending')
from {{.Schema}}.deliveries
