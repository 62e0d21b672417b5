-- Purpose: how many invoices a run could send, and what they bill, by currency: those that
--   are pending, and whose delivery, if there is one, is not decided.
-- Locks: none.
select count(*),
       {{if .Currency}}c.currency{{else}}null{{end}}::text,
       {{if .Amount}}sum(c.amount){{else}}null{{end}}::text
from (
    select {{.ID}} as id
           {{- if .Amount}}, {{.Amount}} as amount{{end}}
           {{- if .Currency}}, {{.Currency}} as currency{{end}}
    from {{.Invoices}}
    where ({{.Pending}}
    )
    {{- if .Only}} and {{.ID}} = any ($1::{{.KeyType}}[]){{end}}
) c
left join {{.Schema}}.deliveries d on d.invoice_id = c.id
where d.state is null or d.state in ('sending', 'retry')
group by 2
