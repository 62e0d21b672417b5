-- Purpose: with INVOICES_ONE_PER: whether an index begins with that column and the key, for
--   `doctor`: one that finds the invoices of one value in their order (lower.sql).
-- Locks: none.
-- $1 the table, $2 the column, $3 the key; 0 rows: none, or the invoices are a view.
select c.relname
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_attribute one on one.attrelid = i.indrelid and one.attnum = i.indkey[0] and one.attname = $2
join pg_attribute id on id.attrelid = i.indrelid and id.attnum = i.indkey[1] and id.attname = $3
where i.indrelid = to_regclass($1) and i.indisvalid
limit 1
