-- Purpose: what the API has taken and not yet decided: those that are due soonest to be
--   looked up.
-- Locks: none. Two runs may ask about the same one: each answer is settled under a guard.
-- Shape: deliveries_open_idx finds them, whatever became of their invoices. All of them
--   are read and sorted, so it is not asked often. The order of ids beside: runs that ask
--   side by side settle them in one order.
-- Flag: count (how many there are), else the ids of $1 at most, and the seconds until each
--   is due.
{{- if .Has.count}}
select count(*)
from {{.Schema}}.deliveries
where open_state = 'submitted'
{{- else}}
select invoice_id::text, extract(epoch from due_at - now())::float8
from {{.Schema}}.deliveries
where open_state = 'submitted'
order by due_at, invoice_id
limit $1
{{- end}}
