-- Purpose: with INVOICES_ONE_PER: whose values are held back, by which delivery that is in
--   doubt or is to be tried again, and how many invoices wait behind it.
-- Locks: none.
-- Shape: $1 of the deliveries are looked at, by deliveries_open_idx, doubts first, with a
--   look-up in the table's key each, and one in an index on (the column, the id). No more
--   than a thousand invoices are counted of a value.
select v.value, d.invoice_id::text, d.state, b.n
from (
    (select invoice_id, state from {{.Schema}}.deliveries where open_state = 'in_doubt' limit $1)
    union all
    (select invoice_id, state from {{.Schema}}.deliveries where open_state = 'retry' limit $1)
    limit $1
) d
cross join lateral (
    select {{.OnePer}} as own, {{.OnePer}}::text as value
    from {{.Invoices}}
    where {{.ID}} = d.invoice_id and ({{.Pending}}
    )
    limit 1
) v
cross join lateral (
    select count(*) as n
    from (
        select
        from (
            select {{.ID}} as id, {{.OnePer}} as one
            from {{.Invoices}}
            where ({{.Pending}}
            )
        ) o
        where o.one = v.own and o.id > d.invoice_id
        limit 1000
    ) behind
) b
where b.n > 0
order by (d.state = 'in_doubt') desc, b.n desc, d.invoice_id
limit $2
