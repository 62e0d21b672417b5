-- Purpose: write intents again that a fail-over has lost, with the requests that are on
--   their way or answered: from then on the primary key is the fence for them, too.
-- Locks: FOR NO KEY UPDATE on each delivery that stands in an older state.
-- Shape: a missing one is inserted; one that was taken over is brought forward from the
--   attempt before it. What somebody else has begun or decided since stands.
-- $7, $8, $9: hashes of the body, of the request, and of the look-up that asks about it.
-- $14: this run.
insert into {{.Schema}}.deliveries as d
    (invoice_id, state, attempt, run_attempt, idempotency_key, key_version, key_use, doubtful, body_sha256,
     request_sha256, lookup_sha256, run_id,
     first_sent_at, updated_at, deadline_at, amount, currency)
select s.id, 'sending', s.attempt, s.run_attempt, s.key, s.version,
       case when s.doubtful then 0 when s.attempt > 1 then 1 else 2 end, s.doubtful, s.body,
       s.request, s.lookup, $14,
       now() - make_interval(secs => s.age), now(), now() + make_interval(secs => s.deadline_in), s.amount::numeric, s.currency
from unnest($1::{{.KeyType}}[], $2::integer[], $3::integer[], $4::uuid[], $5::smallint[], $6::boolean[], $7::bytea[],
            $8::bytea[], $9::bytea[], $10::float8[], $11::float8[], $12::text[], $13::text[])
     as s (id, attempt, run_attempt, key, version, doubtful, body, request, lookup, age, deadline_in, amount, currency)
order by s.id
on conflict (invoice_id) do update
set state          = 'sending',
    attempt        = excluded.attempt,
    run_attempt    = excluded.run_attempt,
    run_id         = excluded.run_id,
    doubtful       = excluded.doubtful,
    key_use        = least(d.key_use, excluded.key_use),
    body_sha256    = excluded.body_sha256,
    request_sha256 = excluded.request_sha256,
    lookup_sha256  = excluded.lookup_sha256,
    updated_at     = excluded.updated_at,
    deadline_at    = greatest(d.deadline_at, excluded.deadline_at),
    due_at         = null,
    retry_since    = case when d.state = 'retry' then coalesce(d.retry_since, d.updated_at) else d.retry_since end,
    open_state     = null,
    http_status    = null,
    error          = null
where d.attempt < excluded.attempt
  and d.key_version = excluded.key_version
  and d.state in ('sending', 'retry', 'in_doubt')
