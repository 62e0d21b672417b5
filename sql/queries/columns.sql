-- Purpose: the columns of the invoices' table or view, for what the user's settings name,
--   and whether they are numbers (manual, 53.65, typcategory; money is printed as the
--   server's locale has it).
-- Locks: none.
select a.attname::text, format_type(a.atttypid, null), t.typcategory = 'N' and t.typname <> 'money'
from pg_attribute a
join pg_type t on t.oid = a.atttypid
where a.attrelid = to_regclass($1)
  and a.attnum > 0
  and not a.attisdropped
order by a.attnum
