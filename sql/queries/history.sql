-- Purpose: all attempts of one delivery, each followed by what was decided about
--   it. The last attempt is the delivery's own row; no further one began after it.
-- Locks: none. Two look-ups by primary keys, in one snapshot.
select h.kind, h.attempt, h.recorded_at, h.state, h.settled_at, h.first_sent_at, h.body_sha256,
       coalesce(h.doubtful, false), h.run_id, coalesce(r.application, ''),
       coalesce(h.http_status, 0), coalesce(h.error, ''),
       coalesce(h.decision, ''), coalesce(h.decided_by, ''), coalesce(h.reason, '')
from (
    select kind, attempt, recorded_at, state, settled_at, first_sent_at, body_sha256, doubtful, run_id,
           http_status, error, decision, decided_by, reason, entry
    from {{.Schema}}.history
    where invoice_id = $1::{{.KeyType}}
    union all
    select 'attempt', attempt, null, state, updated_at, first_sent_at, body_sha256, doubtful, run_id,
           http_status, error, null, null, null, null
    from {{.Schema}}.deliveries
    where invoice_id = $1::{{.KeyType}}
) h
left join {{.Schema}}.runs r on r.run_id = h.run_id
order by h.attempt, h.kind, h.entry
