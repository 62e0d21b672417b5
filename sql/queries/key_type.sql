-- Purpose: the type of a column, as its table's catalogue has it, and whether the
--   table can't be written to, which a PREPARE does not tell of a materialized view;
--   no row where there is no such table or column.
-- Locks: none.
select format_type(t.oid, null), c.oid::regclass::text, c.relkind = 'm'
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_type t on t.oid = a.atttypid
where a.attrelid = to_regclass($1)
  and a.attname = $2
  and a.attnum > 0
  and not a.attisdropped
