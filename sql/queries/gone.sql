-- Purpose: keep in mind of which sent deliveries no invoice was marked, since it was
--   deleted, or not pending. Under a predicate that depends on the time it may be
--   pending again: prune keeps those.
-- Locks: FOR NO KEY UPDATE on each delivery.
update {{.Schema}}.deliveries
set gone_at = now()
where invoice_id = any ($1::{{.KeyType}}[]) and state = 'sent'
