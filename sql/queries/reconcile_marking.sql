-- Purpose: with which SQL the last run that settled a delivery told pending invoices and
--   marked them, as hashes; null: an older program's run.
-- Locks: none.
select mark_sent_sha256, pending_sha256
from {{.Schema}}.runs
where settled_at is not null
order by number desc
limit 1
