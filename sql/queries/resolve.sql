-- Purpose: what a person decides about a delivery, and who, when and why.
-- Locks: FOR NO KEY UPDATE on the delivery. Its late sender may be settling it:
--   then this waits, finds the row changed, and writes nothing.
-- Shape: compare and swap on what the person was shown, and the rules once more,
--   by the database's clock: in_doubt only once no request can arrive any more, failed
--   never to sent. Decision and history are one statement:
--   neither is without the other.
-- $2 to $4: state, attempt and time as read; $5: the new state; $6: whether the
--   doubt is cleared; $7, $8: who and why; $9: seconds past its deadline in which a request may still arrive.
with resolved as (
    update {{.Schema}}.deliveries as d
    set state      = $5,
        doubtful   = d.doubtful and not $6,
        updated_at = now(),
        due_at     = case when $5 = 'retry' then now() end,
        retry_since = case when $5 = 'retry' then now() end,
        open_state = case when $5 = 'retry' then $5 end,
        body_sha256 = case when $5 <> 'sent' then d.body_sha256 end,
        request_sha256 = case when $5 <> 'sent' then d.request_sha256 end,
        lookup_sha256 = case when $5 <> 'sent' then d.lookup_sha256 end
    where d.invoice_id = $1::{{.KeyType}}
      and d.state = $2
      and d.attempt = $3
      and d.updated_at = $4
      and case d.state
              when 'in_doubt' then $5 in ('sent', 'retry', 'cancelled') and d.deadline_at + make_interval(secs => $9) < now()
              when 'failed' then $5 in ('retry', 'cancelled')
              else false
          end
    returning d.invoice_id, d.attempt
)
insert into {{.Schema}}.history (invoice_id, kind, attempt, state, settled_at, decision, decided_by, reason)
select invoice_id, 'decision', attempt, $2, $4, $5, $7, $8
from resolved
returning invoice_id::text
