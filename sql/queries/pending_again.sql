-- Purpose: keep in mind which invoices a run has found pending though they were sent.
-- Locks: none but the new rows'.
-- Shape: ten thousand at most, however many there are. One that was found before stays
--   as it was found.
-- $1: their ids; $2: this run.
insert into {{.Schema}}.pending_again (invoice_id, reason, run_id)
select d.invoice_id, 'it was sent, and is pending again', $2
from {{.Schema}}.deliveries d
where d.invoice_id = any ($1::{{.KeyType}}[]) and d.state = 'sent'
order by d.invoice_id
limit greatest(0, 10000 - (select count(*) from {{.Schema}}.pending_again))
on conflict (invoice_id) do nothing
