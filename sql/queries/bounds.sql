-- Purpose: between which ids the pending invoices lie, so that runners that
--   share a run can start at different places.
-- Locks: none. Two ends of an index.
select min({{.ID}})::text, max({{.ID}})::text
from {{.Invoices}}
where ({{.Pending}}
)
