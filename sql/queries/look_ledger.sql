-- Purpose: the second look's other half: what the ledger says about the locked
--   invoices. Nearly all have no delivery yet, and no row here.
-- Locks: none of its own; the claim holds the invoices' locks meanwhile.
-- Shape: behind look.sql and in its snapshot: whoever settles a delivery marks the
--   invoice in the same transaction, so that both are seen or neither; and what is taken
--   for untried here though it was begun meanwhile is held off by the primary key.
--   LATERAL … LIMIT 1 keeps the ledger to one index look-up an invoice, whatever
--   size the planner takes it for.
--   What an older program has taken over has the hashes of an attempt before its own:
--   they say nothing of its look-up, and of its request only where that attempt counts.
select d.invoice_id::text,
       d.state,
       d.attempt,
       d.run_attempt,
       d.run_id,
       d.idempotency_key::text,
       d.body_sha256,
       case when not o.older or d.doubtful then d.request_sha256 end,
       case when not o.older then d.lookup_sha256 end,
       d.key_version,
       d.key_use,
       d.key_version > 1 and exists (
           select from {{.Schema}}.history h
           where h.invoice_id = d.invoice_id and h.kind = 'decision' and h.state = 'sent' and h.decision = 'retry'),
       extract(epoch from now() - d.first_sent_at)::float8,
       extract(epoch from d.due_at - now())::float8,
       d.doubtful,
       extract(epoch from d.deadline_at - now())::float8,
       case when d.submitted_at is not null then greatest(0.001, extract(epoch from now() - d.submitted_at)) end::float8,
       d.reply_id,
       coalesce(d.http_status, 0)
from unnest($1::{{.KeyType}}[]) as k (id)
cross join lateral (
    select *
    from {{.Schema}}.deliveries
    where invoice_id = k.id
    limit 1
) d
cross join lateral (
    select exists (select from {{.Schema}}.runs r where r.run_id = d.run_id and r.program is null) as older
) o
