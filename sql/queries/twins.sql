-- Purpose: a key that several pending invoices share, where no unique index covers it.
-- Locks: none.
-- Shape: reads every pending invoice's key, once, before a run's first request.
select {{.ID}}::text
from {{.Invoices}}
where ({{.Pending}}
)
group by {{.ID}}
having count(*) > 1
limit 1
