-- Purpose: the intent for invoices that were never tried, committed before the
--   first byte of their requests.
-- Locks: the primary key is the fence: of two runners that get here with one
--   invoice, locks broken or strategies mixed, one inserts, and the other waits
--   for it and does not.
-- Shape: the plain INSERT fails as a whole if the fence holds (23505), which it hardly
--   ever does: a speculative one (ON CONFLICT) looks into the index twice and writes a
--   further WAL record for each row.
-- A pause is asked for by the statement itself: no request is begun after it was committed.
-- Flag: fenced (insert those that can be, and tell which).
-- $3, $6, $7: hashes of the body, of the request, and of the look-up that asks about it.
-- $8, $9: what is billed, null where it is not kept.
-- $4: this run; $5: seconds until no request of this attempt can be on its way.
insert into {{.Schema}}.deliveries as d
    (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id,
     request_sha256, lookup_sha256, key_use,
     first_sent_at, updated_at, deadline_at, amount, currency)
select s.id, 'sending', 1, 1, s.key, s.body, $4,
       s.request, s.lookup, 2,
       now(), now(), now() + make_interval(secs => $5), s.amount::numeric, s.currency
from unnest($1::{{.KeyType}}[], $2::uuid[], $3::bytea[], $6::bytea[], $7::bytea[], $8::text[], $9::text[])
     as s (id, key, body, request, lookup, amount, currency)
where not exists (select from {{.Schema}}.ledger where only_row and paused_at is not null)
order by s.id
{{- if .Has.fenced}}
on conflict (invoice_id) do nothing
returning d.invoice_id::text
{{- end}}
