-- Purpose: where a table or view and a column of it are found: the column's type, that
--   of its domain's base, the base's own name and schema, and whether it is never null;
--   the table's schema and name, whether it can't be written to, which a PREPARE does not
--   tell of a materialized view, whether it is a view, how large it is (a view has no size
--   of its own), and whether a unique index covers the column alone; no row where there is
--   no such table or column.
-- Locks: none.
-- Shape: a name without a schema is looked for by the session's own search path, not by
--   one that another client of a pooler has left behind: set_config with null is RESET,
--   here for this transaction. to_regclass depends on it, so that it comes after.
with recursive path as materialized (
    select set_config('search_path', null, true) as own
), base (oid, up, required) as (
    select t.oid, t.typbasetype, t.typnotnull
    from path
    join pg_attribute a on a.attrelid = to_regclass($1 || left(path.own, 0)) and a.attname = $2
    join pg_type t on t.oid = a.atttypid
    union all
    select t.oid, t.typbasetype, t.typnotnull or base.required
    from base join pg_type t on t.oid = base.up
)
select format_type(a.atttypid, null), format_type(b.oid, null), b.typname::text, bn.nspname::text,
       a.attnotnull or (select bool_or(base.required) from base),
       n.nspname::text, c.relname::text, c.relkind = 'm', c.relkind = 'v',
       case when c.relkind in ('r', 'm') then pg_relation_size(c.oid) else 0 end,
       exists (
           select from pg_index i
           where i.indrelid = c.oid and i.indisunique and i.indisvalid
             and i.indpred is null and i.indexprs is null and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
       )
from path
join pg_attribute a on a.attrelid = to_regclass($1 || left(path.own, 0))
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type b on b.oid = (select base.oid from base where base.up = 0)
join pg_namespace bn on bn.oid = b.typnamespace
where a.attname = $2
  and a.attnum > 0
  and not a.attisdropped
