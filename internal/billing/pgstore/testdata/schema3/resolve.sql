with resolved as (
    update {{.Schema}}.deliveries as d
    set state      = $5,
        doubtful   = d.doubtful and not $6,
        updated_at = now(),
        due_at     = case when $5 = 'retry' then now() end
    where d.invoice_id = $1::{{.KeyType}}
      and d.state = $2
      and d.attempt = $3
      and d.updated_at = $4
      and case d.state
              when 'in_doubt' then $5 in ('sent', 'retry', 'cancelled') and d.deadline_at < now()
              when 'failed' then $5 in ('retry', 'cancelled')
              else false
          end
    returning d.invoice_id, d.attempt
)
insert into {{.Schema}}.history (invoice_id, kind, attempt, state, settled_at, decision, decided_by, reason)
select invoice_id, 'decision', attempt, $2, $4, $5, $7, $8
from resolved
returning invoice_id::text
