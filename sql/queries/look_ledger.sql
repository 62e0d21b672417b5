-- Purpose: the second look's other half: what the ledger says about the locked
--   invoices. Nearly all have no delivery yet, and no row here.
-- Locks: none of its own; the claim holds the invoices' locks meanwhile.
-- Shape: behind look.sql, so that its snapshot is the younger of the two: whoever
--   settles a delivery marks the invoice in the same transaction, and what is taken
--   for untried here though it was begun meanwhile is held off by the primary key.
--   LATERAL … LIMIT 1 keeps the ledger to one index look-up an invoice, whatever
--   size the planner takes it for.
select d.invoice_id::text,
       d.state,
       d.attempt,
       d.run_attempt,
       d.run_id,
       d.idempotency_key::text,
       d.body_sha256,
       d.request_sha256,
       d.lookup_sha256,
       extract(epoch from now() - d.first_sent_at)::float8,
       extract(epoch from d.due_at - now())::float8,
       d.doubtful,
       extract(epoch from d.deadline_at - now())::float8
from unnest($1::{{.KeyType}}[]) as k (id)
cross join lateral (
    select *
    from {{.Schema}}.deliveries
    where invoice_id = k.id
    limit 1
) d
