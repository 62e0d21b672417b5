-- Purpose: how many invoices a run could send: those that are pending, and whose
--   delivery, if there is one, is not decided.
-- Locks: none.
select count(*)
from (
    select {{.ID}} as id
    from {{.Invoices}}
    where ({{.Pending}}
    )
    {{- if .Only}} and {{.ID}} = any ($1::{{.KeyType}}[]){{end}}
) c
left join {{.Schema}}.deliveries d on d.invoice_id = c.id
where d.state is null or d.state in ('sending', 'retry')
