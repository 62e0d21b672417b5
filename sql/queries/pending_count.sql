-- Purpose: how many invoices are pending, for a progress bar and for `status`.
-- Locks: none.
select count(*) from {{.Invoices}}
where ({{.Pending}}
)
