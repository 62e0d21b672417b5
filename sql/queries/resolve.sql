-- Purpose: what a person decides about a delivery, and who, when and why.
-- Locks: FOR NO KEY UPDATE on the delivery. Its late sender may be settling it:
--   then this waits, finds the row changed, and writes nothing.
-- Shape: compare and swap on what the person was shown, and the rules once more,
--   by the database's clock: in_doubt, and what is in retry for two days, only once
--   no request can arrive any more; sent only under another key; cancelled
--   only to what the last decision says that it was. Decision and history are one
--   statement: neither is without the other. A key that is replaced stands in the
--   history: its attempts had it.
-- $2 to $4: state, attempt and time as read; $5: the new state; $6: whether the
--   doubt is cleared; $7, $8: who and why; $9: seconds past its deadline in which a
--   request may still arrive; $10, $11: another key and its version, or null: it keeps
--   its own.
with was as (
    select * from {{.Schema}}.deliveries where invoice_id = $1::{{.KeyType}}
), resolved as (
    update {{.Schema}}.deliveries as d
    set state      = $5,
        key_use    = case when $10::uuid is not null then 2 when $2 = 'in_doubt' then 0 else d.key_use end,
        doubtful   = d.doubtful and not $6,
        updated_at = now(),
        due_at     = case when $5 = 'retry' then now() end,
        retry_since = case when $5 = 'retry' then now() end,
        open_state = case when $5 in ('failed', 'retry', 'in_doubt') then $5 end,
        body_sha256 = case when $5 <> 'sent' then d.body_sha256 end,
        request_sha256 = case when $5 <> 'sent' then d.request_sha256 end,
        lookup_sha256 = case when $5 <> 'sent' then d.lookup_sha256 end,
        idempotency_key = coalesce($10, d.idempotency_key),
        key_version = coalesce($11, d.key_version),
        reply_id   = case when $2 <> 'sent' or $5 = 'sent' then d.reply_id end,
        submitted_at = case when $5 <> 'retry' then d.submitted_at end,
        reply      = case when $2 <> 'sent' or $5 = 'sent' then d.reply end
    where d.invoice_id = $1::{{.KeyType}}
      and d.state = $2
      and d.attempt = $3
      and d.updated_at = $4
      and case d.state
              when 'in_doubt' then $5 in ('sent', 'retry', 'cancelled') and d.deadline_at + make_interval(secs => $9) < now()
              when 'failed' then $5 in ('sent', 'retry', 'cancelled')
              when 'retry' then $5 in ('sent', 'cancelled') and d.deadline_at + make_interval(secs => $9) < now()
                                and coalesce(d.retry_since, d.updated_at) < now() - interval '2 days'
              when 'sent' then $5 = 'sent' or $5 = 'retry' and $11 = d.key_version + 1
              when 'cancelled' then $5 = (select h.state from {{.Schema}}.history h
                                          where h.invoice_id = d.invoice_id and h.kind = 'decision' and h.decision = 'cancelled'
                                          order by h.entry desc limit 1)
              else false
          end
    returning d.invoice_id, d.attempt
)
insert into {{.Schema}}.history
    (invoice_id, kind, attempt, state, settled_at, decision, decided_by, reason, key_version, idempotency_key, reply_id)
select r.invoice_id, 'decision', r.attempt, $2, $4, $5, $7, $8,
       case when $10 is not null then w.key_version end, case when $10 is not null then w.idempotency_key end,
       case when $10 is not null then w.reply_id end
from resolved r
join was w using (invoice_id)
returning invoice_id::text
