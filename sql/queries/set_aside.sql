-- Purpose: keep in mind which invoices a run has set aside, and why.
-- Locks: none but the new rows'.
-- Shape: ten thousand at most, however many there are. Since when is as it was found first.
-- $1: their ids; $2: the reasons; $3: this run.
insert into {{.Schema}}.set_aside as a (invoice_id, reason, run_id)
select s.id, s.reason, $3
from unnest($1::{{.KeyType}}[], $2::text[]) as s (id, reason)
order by s.id
limit greatest(0, 10000 - (select count(*) from {{.Schema}}.set_aside))
on conflict (invoice_id) do update set reason = excluded.reason, run_id = excluded.run_id
