-- Purpose: what the API has taken and not yet decided: those that are due soonest to be
--   looked up.
-- Locks: none. Two runs may ask about the same one: each answer is settled under a guard.
-- Shape: deliveries_submitted_idx has them in this order, whatever became of their invoices.
--   (In a ledger from before 1.0 all of them are read and sorted, so it is not asked often.)
--   The order of ids beside: runs that ask side by side settle them in one order.
-- Flag: count (how many there are), else the ids of $1 at most, and the seconds until each
--   is due.
{{- if .Has.count}}
select count(*)
from {{.Schema}}.deliveries
where open_state = 'submitted'
{{- else}}
select d.invoice_id::text, extract(epoch from d.due_at - now())::float8
from {{.Schema}}.deliveries d
where d.open_state = 'submitted'
order by d.due_at, d.invoice_id
limit $1
{{- end}}
