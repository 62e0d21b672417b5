-- Purpose: write outcomes into the ledger. mark.sql follows in the same
--   transaction.
-- Locks: FOR NO KEY UPDATE on each delivery.
-- Shape: the guard (run, attempt, state) lets nothing through that another run
--   has taken over, whoever decided about it meanwhile; `in_doubt` and `retry`
--   are let through to their own attempt's late reply. The ids are given twice,
--   so that whatever the join, the ledger is read by its index alone.
--   Times are the clock's: now() is the transaction's start, and a row claim's began
--   before its requests.
-- $10: the ids that the replies gave; null where none is kept.
update {{.Schema}}.deliveries as d
set state       = s.state,
    run_attempt = s.run_attempt,
    doubtful    = s.doubtful,
    updated_at  = clock_timestamp(),
    due_at      = case when s.state = 'retry' then clock_timestamp() + make_interval(secs => s.retry_in) end,
    http_status = nullif(s.status, 0),
    error       = nullif(s.error, ''),
    reply_id    = coalesce(s.reply_id, d.reply_id)
from unnest($1::{{.KeyType}}[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::boolean[],
            $7::float8[], $8::smallint[], $9::text[], $10::text[])
     as s (id, run_id, attempt, run_attempt, state, doubtful, retry_in, status, error, reply_id)
where d.invoice_id = any ($1::{{.KeyType}}[])
  and d.invoice_id = s.id
  and d.run_id = s.run_id
  and d.attempt = s.attempt
  and (d.state = 'sending' or (d.state in ('retry', 'in_doubt') and s.state <> 'sending'))
returning d.invoice_id::text
