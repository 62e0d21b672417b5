update {{.Schema}}.deliveries as d
set state         = 'sending',
    attempt       = d.attempt + 1,
    run_attempt   = s.run_attempt,
    run_id        = $7,
    body_sha256   = s.body,
    doubtful      = d.doubtful or d.state = 'sending',
    first_sent_at = case when d.doubtful or d.state = 'sending' then d.first_sent_at else now() end,
    updated_at    = now(),
    deadline_at   = greatest(d.deadline_at, now() + make_interval(secs => $8)),
    due_at        = null,
    http_status   = null,
    error         = null
from unnest($1::{{.KeyType}}[], $2::text[], $3::integer[], $4::uuid[], $5::integer[], $6::bytea[])
     as s (id, state, attempt, run_id, run_attempt, body)
where d.invoice_id = any ($1::{{.KeyType}}[])
  and d.invoice_id = s.id
  and d.state = s.state
  and d.attempt = s.attempt
  and d.run_id = s.run_id
returning d.invoice_id::text
