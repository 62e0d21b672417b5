-- Purpose: what a run has to know of those before it as it begins: how long it makes no
--   sense to run, in seconds; whether a request was accepted under these settings; and
--   the settings of the last run of which one was.
-- Locks: none.
select greatest(0, extract(epoch from l.not_before - now()))::float8,
       exists (select from {{.Schema}}.runs where settings = $1::jsonb and accepted_at is not null),
       (select settings from {{.Schema}}.runs where accepted_at is not null and settings is not null order by number desc limit 1)
from {{.Schema}}.ledger l
