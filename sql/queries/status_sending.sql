-- Purpose: the deliveries that are `sending`, and whose.
-- Locks: none.
-- Shape: no index has them, since each delivery would enter and leave it. But
--   their invoices are pending: so the pending ones are walked as a run does it,
--   with one look-up in the ledger's primary key each, $1 of them at most. A
--   merge or hash join would read the ledger from its beginning: hence LATERAL.
select d.invoice_id::text, d.updated_at,
       coalesce(r.application, ''), coalesce(r.lock_strategy, ''), coalesce(r.finished_at is null, false)
from (
    select {{.ID}} as id
    from {{.Invoices}}
    where ({{.Pending}}
    )
    order by {{.ID}}
    limit $1
) c
cross join lateral (
    select *
    from {{.Schema}}.deliveries
    where invoice_id = {{.InLedger "c.id"}}
    limit 1
) d
left join {{.Schema}}.runs r on r.run_id = d.run_id
where d.state = 'sending'
