-- Purpose: where a table or view and a column of it are found: the column's type and
--   whether it is never null, the schema and the name, whether it can't be written
--   to, which a PREPARE does not tell of a materialized view, whether it is a view, and
--   how large it is (a view has no size of its own); no row where there is no such table
--   or column.
-- Locks: none.
select format_type(t.oid, null), a.attnotnull, n.nspname::text, c.relname::text, c.relkind = 'm',
       c.relkind = 'v',
       case when c.relkind in ('r', 'm') then pg_relation_size(c.oid) else 0 end
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
where a.attrelid = to_regclass($1)
  and a.attname = $2
  and a.attnum > 0
  and not a.attisdropped
