-- Purpose: write outcomes into the ledger: of deliveries that share all but their
--   ids, waits, reasons and replies. mark.sql follows in the same transaction.
-- Locks: FOR NO KEY UPDATE on each delivery.
-- Shape: the guard (run, attempt, state) lets nothing through that another run
--   has taken over, whoever decided about it meanwhile; `in_doubt` and `retry`
--   are let through to their own attempt's late reply, unless their key is another one by
--   now; `unmarked` to sent alone, or to the newest reason why it can't be. What is shared is no array:
--   each one costs as much as a column that is written.
--   Times are the clock's: now() is the transaction's start, and a row claim's began
--   before its requests.
--   `submitted` is let through to what a look-up says of its attempt.
--   What only an open delivery needs, its hashes, goes as it is decided.
--   It does not tell which were settled: nearly always all are, and their number says
--   so. If not, settled.sql tells.
-- Flag: each (they have waits, reasons or replies of their own; the ids are then given
--   twice, so that whatever the join, the ledger is read by its index alone).
-- $2, $3: the guard's run and attempt; $4 to $8: what is written.
-- $9 to $12, one each: seconds until it is due, what was seen, the ids that the replies gave, and
--   what INVOICES_MARK_SENT takes from them later; $13: seconds in which the request may
--   still arrive, where its sender knows better than its intent did. Null where none has one.
update {{.Schema}}.deliveries as d
set state       = $5,
    run_attempt = $4,
    key_use     = least(d.key_use, $8, case when d.doubtful then 0 end),
    doubtful    = $6,
    updated_at  = case when $5 = 'unmarked' and d.state = $5 then d.updated_at else clock_timestamp() end,
    http_status = nullif($7::smallint, 0),
    retry_since = case $5 when 'sending' then d.retry_since
                          when 'retry' then case when d.state = 'in_doubt' then clock_timestamp()
                                                 else coalesce(d.retry_since, clock_timestamp()) end end,
    submitted_at = case when $5 = 'submitted' then coalesce(d.submitted_at, clock_timestamp()) else d.submitted_at end,
    open_state  = case when $5 in ('unmarked', 'failed', 'retry', 'submitted', 'in_doubt') then $5 end,
    body_sha256 = case when $5 in ('sending', 'retry', 'submitted', 'in_doubt') then d.body_sha256 end,
    request_sha256 = case when $5 in ('sending', 'retry', 'submitted', 'in_doubt') then d.request_sha256 end,
    lookup_sha256  = case when $5 in ('sending', 'retry', 'submitted', 'in_doubt') then d.lookup_sha256 end,
{{- if .Has.each}}
    deadline_at = least(d.deadline_at, clock_timestamp() + make_interval(secs => s.arrives_in)),
    due_at      = case when $5 in ('retry', 'submitted') then clock_timestamp() + make_interval(secs => s.retry_in) end,
    error       = s.error,
    reply_id    = coalesce(s.reply_id, d.reply_id),
    reply       = case when $5 = 'unmarked' then s.reply::jsonb end
from unnest($1::{{.KeyType}}[], $9::float8[], $10::text[], $11::text[], $12::text[], $13::float8[])
    as s (id, retry_in, error, reply_id, reply, arrives_in)
{{- else}}
    due_at      = null,
    error       = null,
    reply       = null
{{- end}}
where d.invoice_id = any ($1::{{.KeyType}}[])
{{- if .Has.each}}
  and d.invoice_id = s.id
{{- end}}
  and d.run_id = $2
  and d.attempt = $3
  and (d.state = 'sending' or (d.state = 'in_doubt' or d.state = 'retry' and (d.doubtful or d.key_use < 2)) and $5 <> 'sending'
       or d.state = 'submitted' and $5 not in ('sending', 'retry')
       or d.state = 'unmarked' and $5 in ('sent', 'unmarked'))
