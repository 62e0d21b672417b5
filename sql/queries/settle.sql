-- Purpose: write outcomes down: the ledger and the invoice, in one transaction.
-- Locks: FOR NO KEY UPDATE on each delivery and on each invoice that is marked.
--   The user's application may hold an invoice; lock_timeout bounds the wait.
--   In the `row` strategy the claim itself holds the invoices, so there this
--   runs on the claim's own connection.
-- Shape: the guard (run, attempt, state) lets nothing through that another run
--   has taken over, whoever decided about it meanwhile; `in_doubt` and `retry`
--   are let through to their own attempt's late reply.
--   Nothing but the rows in $1 is touched; an invoice that was deleted or taken
--   back meanwhile is settled in the ledger and reported as not marked.
with s as materialized (
    select id::{{.KeyType}} as id, run_id, attempt, run_attempt, state, doubtful, retry_in, status, error
    from unnest($1::text[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::boolean[],
                $7::float8[], $8::smallint[], $9::text[])
         as t (id, run_id, attempt, run_attempt, state, doubtful, retry_in, status, error)
), settled as (
    update {{.Schema}}.deliveries as d
    set state       = s.state,
        run_attempt = s.run_attempt,
        doubtful    = s.doubtful,
        updated_at  = now(),
        due_at      = case when s.state = 'retry' then now() + make_interval(secs => s.retry_in) end,
        http_status = nullif(s.status, 0),
        error       = nullif(s.error, '')
    from s
    where d.invoice_id = s.id
      and d.run_id = s.run_id
      and d.attempt = s.attempt
      and (d.state = 'sending' or (d.state in ('retry', 'in_doubt') and s.state <> 'sending'))
    returning d.invoice_id, d.state
), marked as (
    update {{.Invoices}}
    set {{.MarkSent}}
    where {{.ID}} = any ($1::text[]::{{.KeyType}}[])
      and {{.ID}} in (select settled.invoice_id from settled where settled.state = 'sent')
      and ({{.Pending}}
      )
    returning {{.ID}} as marked_id
)
select settled.invoice_id::text, settled.state = 'sent' and marked.marked_id is null
from settled
left join marked on marked.marked_id = settled.invoice_id
