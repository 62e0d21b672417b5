-- Purpose: why a settlement's guard let nothing through: the delivery already
--   is as wanted (a commit whose fate was unknown), or another run has it.
-- Locks: none.
select d.invoice_id::text
from unnest($1::{{.KeyType}}[], $2::uuid[], $3::integer[], $4::text[]) as s (id, run_id, attempt, state)
join {{.Schema}}.deliveries d on d.invoice_id = s.id
where d.run_id = s.run_id and d.attempt = s.attempt and d.state = s.state
