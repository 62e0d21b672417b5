-- Purpose: the tables and views that INVOICES_TABLE could mean, where it names none of them.
-- Locks: none.
-- Shape: only for an error's text, so that some are enough.
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v')
  and n.nspname <> 'information_schema'
  and n.nspname not like 'pg\_%'
order by n.nspname, c.relname
limit 2000
