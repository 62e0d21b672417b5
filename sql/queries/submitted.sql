-- Purpose: what the API has taken and not yet decided, and what is due to be looked up.
-- Locks: none. Two runs may ask about the same one: each answer is settled under a guard.
-- Shape: deliveries_open_idx finds them, whatever became of their invoices.
-- Flag: standing (how many, since when, and when the next is due), else the ids of those
--   that are due, the longest due first, $1 at most.
{{- if .Has.standing}}
select count(*), min(submitted_at), coalesce(extract(epoch from min(due_at) - now()), 0)::float8
from {{.Schema}}.deliveries
where open_state = 'submitted'
{{- else}}
select invoice_id::text
from {{.Schema}}.deliveries
where open_state = 'submitted' and due_at <= now()
order by due_at
limit $1
{{- end}}
