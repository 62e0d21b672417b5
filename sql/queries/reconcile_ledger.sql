-- Purpose: which ledger this is, on which server: its id makes the invoices' keys, and
--   two connections that see the same are to one database.
-- Locks: none.
select l.id, d.oid::bigint, pg_postmaster_start_time()
from {{.Schema}}.ledger l, pg_database d
where d.datname = current_database()
