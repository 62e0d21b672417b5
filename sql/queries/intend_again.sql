-- Purpose: the intent for deliveries that are tried again: `retry` that is due,
--   or `sending` whose sender is gone.
-- Locks: FOR NO KEY UPDATE on each delivery. Its late sender may be settling
--   it: then this waits, finds the row changed, and leaves it alone.
-- Shape: compare and swap on everything that the second look saw. The key stays
--   as it is. Where no attempt can have had its effect, the body may be another one, and so
--   may what is billed ($11, $12);
--   the key's age begins anew once the API has forgotten it, or has never seen it: with the
--   newest request that the ledger knows, where the database may have forgotten others.
-- $6, $9, $10: hashes of the body, of the request, and of the look-up that asks about it.
-- $7: this run; $8: seconds until no request of this attempt can be on its way;
-- $13: seconds after which the API has forgotten a key.
update {{.Schema}}.deliveries as d
set state         = 'sending',
    attempt       = d.attempt + 1,
    run_attempt   = s.run_attempt,
    run_id        = $7,
    body_sha256   = s.body,
    doubtful      = d.doubtful or d.state = 'sending',
    key_use       = case when d.doubtful or d.state = 'sending' then 0 else d.key_use end,
    first_sent_at = case when d.doubtful or d.state = 'sending'
                           or d.key_use < 2 and d.first_sent_at > now() - make_interval(secs => $13) then d.first_sent_at
                         else coalesce((select newest_sent_at from {{.Schema}}.ledger where only_row), now()) end,
    updated_at    = now(),
    deadline_at   = greatest(d.deadline_at, now() + make_interval(secs => $8)),
    due_at        = null,
    retry_since   = case when d.state = 'retry' then coalesce(d.retry_since, d.updated_at) else d.retry_since end,
    open_state    = null,
    request_sha256 = s.request,
    lookup_sha256  = s.lookup,
    amount        = case when d.doubtful or d.state = 'sending' then d.amount else s.amount::numeric end,
    currency      = case when d.doubtful or d.state = 'sending' then d.currency else s.currency end,
    http_status   = null,
    error         = null
from unnest($1::{{.KeyType}}[], $2::text[], $3::integer[], $4::uuid[], $5::integer[], $6::bytea[],
            $9::bytea[], $10::bytea[], $11::text[], $12::text[])
     as s (id, state, attempt, run_id, run_attempt, body, request, lookup, amount, currency)
where d.invoice_id = any ($1::{{.KeyType}}[])
  and d.invoice_id = s.id
  and d.state = s.state
  and d.attempt = s.attempt
  and d.run_id = s.run_id
  and not exists (select from {{.Schema}}.ledger where only_row and paused_at is not null)
returning d.invoice_id::text
