-- Purpose: with INVOICES_ONE_PER: of which value each of the looked at invoices is now,
--   and what keeps it back: the lowest pending invoice of its value below it that is
--   untried or whose delivery is not decided.
-- Locks: none of its own; the claim holds the values' locks meanwhile.
-- Shape: behind look.sql and look_ledger.sql, so that what they saw is no younger. An
--   index on (the column, the id) makes it one look-up an invoice.
-- Flag: guarded (the predicate is tried on no row but those below, and on none that is set
--   aside).
-- $2: invoices that hold nothing back, since no request can be made of them.
-- The user's fragment stands alone with the user's table, so that nothing of ours can
--   clash with its column names.
select billonce_look.id::text, billonce_value.value, h.id::text, h.state
from unnest($1::{{.KeyType}}[]) as billonce_look (id)
cross join lateral (
    select {{.OnePer}} as own, {{.OnePer}}::text as value
    from {{.Invoices}}
    where {{.ID}} = billonce_look.id
    limit 1
) billonce_value
left join lateral (
    select o.id, d.state
    from (
        select {{.ID}} as id, {{.OnePer}} as one
        from {{.Invoices}}
{{- if .Has.guarded}}
        where case when {{.OnePer}} = billonce_value.own and {{.ID}} < billonce_look.id
                    and {{.ID}} <> all ($2::{{.KeyType}}[]) and {{.ID}} <> all (array(select invoice_id from {{.Schema}}.set_aside))
                   then ({{.Pending}}
        ) else false end
{{- else}}
        where ({{.Pending}}
        )
{{- end}}
    ) o
    left join lateral (
        select state
        from {{.Schema}}.deliveries
        where invoice_id = o.id
        limit 1
    ) d on true
    where o.one = billonce_value.own and o.id < billonce_look.id
      and (d.state is null or d.state in ('sending', 'retry', 'in_doubt'))
      and o.id <> all ($2::{{.KeyType}}[])
      and not exists (select from {{.Schema}}.set_aside a where a.invoice_id = o.id)
    order by o.id
    limit 1
) h on true
