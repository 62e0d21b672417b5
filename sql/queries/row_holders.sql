-- Purpose: who holds rows that lock_rows.sql did not get: the sessions whose transactions
--   have changed or locked them.
-- Locks: none.
-- Shape: xmax is the transaction that holds a row, where one alone does (manual, System
--   Columns); a view has none.
select coalesce(a.application_name, ''), coalesce(a.usename, ''), a.pid, count(*), (array_agg(i.{{.ID}}::text order by i.{{.ID}}))[:20]
from {{.Invoices}} as i
join pg_stat_activity as a on a.backend_xid = i.xmax
where i.{{.ID}} = any ($1::{{.IDType}}[])
group by 1, 2, 3
