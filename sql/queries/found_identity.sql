-- Purpose: write down, once, that the database is another one than the ledger trusts, and
--   the newest request that the ledger knows: what came after it may be lost.
-- Locks: FOR NO KEY UPDATE on the ledger's one row, which runs only read.
-- Shape: it reads the ledger as a whole, where the database has changed alone.
-- $1: the identity; $2: the seconds for which a run has been writing again what it remembers:
--   that says nothing of what is lost.
update {{.Schema}}.ledger
set found_identity = $1::jsonb, found_at = now(),
    newest_sent_at = coalesce(newest_sent_at, (select max(first_sent_at) from {{.Schema}}.deliveries where updated_at <= now() - make_interval(secs => $2)), now())
where only_row
returning newest_sent_at, extract(epoch from now() - newest_sent_at)::float8
