-- Purpose: in which schema a table or view is found, and how large it is; a view
--   has no size of its own.
-- Locks: none.
select n.nspname::text, c.relname::text, case when c.relkind in ('r', 'm') then pg_relation_size(c.oid) else 0 end
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass($1)
