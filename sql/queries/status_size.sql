-- Purpose: how large the ledger is: its bytes, and the rows that the last vacuum
--   or analyze counted (-1: there was none).
-- Locks: none.
select pg_relation_size(c.oid), c.reltuples::bigint
from pg_class c
where c.oid = to_regclass($1)
