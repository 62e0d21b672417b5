-- Purpose: whether one invoice is pending; no row where there is no such invoice.
-- Locks: none.
select coalesce((
    {{.Pending}}
    ), false)
from {{.Invoices}}
where {{.ID}} = $1::{{.IDType}}
