-- Purpose: the columns of the invoices' table or view that people can be shown: those
--   that this role may read, whether they are numbers, and whether they are short: text,
--   numbers, dates, enums and uuid, and not, say, documents (manual, 53.65, typcategory).
-- Locks: none.
select a.attname::text, t.typcategory = 'N' and t.typname <> 'money',
       t.typcategory in ('S', 'N', 'D', 'E') or t.typname = 'uuid'
from pg_attribute a
join pg_type t on t.oid = a.atttypid
where a.attrelid = to_regclass($1)
  and a.attnum > 0
  and not a.attisdropped
  and has_column_privilege(a.attrelid, a.attnum, 'select')
order by a.attnum
