-- Purpose: the columns of the invoices' table or view, for what the user's templates name.
-- Locks: none.
select attname::text
from pg_attribute
where attrelid = to_regclass($1)
  and attnum > 0
  and not attisdropped
order by attnum
