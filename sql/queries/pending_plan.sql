-- Purpose: how the planner would read a page of pending invoices (scan.sql), for
--   `doctor` to see which index serves it.
-- Locks: none; it is not run.
explain (format json)
select {{.ID}}
from {{.Invoices}}
where ({{.Pending}}
)
order by {{.ID}}
limit 500
