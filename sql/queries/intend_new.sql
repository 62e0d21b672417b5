-- Purpose: the intent for invoices that were never tried, committed before the
--   first byte of their requests.
-- Locks: the primary key is the fence: of two runners that get here with one
--   invoice, locks broken or strategies mixed, one inserts, and the other waits
--   for it and inserts nothing.
-- $5: this run; $6: seconds until no request of this attempt can be on its way.
insert into {{.Schema}}.deliveries as d
    (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id,
     first_sent_at, updated_at, deadline_at)
select s.id, 'sending', 1, s.run_attempt, s.key, s.body, $5,
       now(), now(), now() + make_interval(secs => $6)
from unnest($1::{{.KeyType}}[], $2::integer[], $3::uuid[], $4::bytea[]) as s (id, run_attempt, key, body)
order by s.id
on conflict (invoice_id) do nothing
returning d.invoice_id::text
