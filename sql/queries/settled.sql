-- Purpose: what became of settlements of which not all were let through: which
--   deliveries are as wanted, and whether the transaction $5 has made them so just now,
--   or an earlier try whose commit's fate was unknown. The others another run has.
-- Locks: none.
select d.invoice_id::text, d.xmin::text = $5
from unnest($1::{{.KeyType}}[], $2::uuid[], $3::integer[], $4::text[]) as s (id, run_id, attempt, state)
join {{.Schema}}.deliveries d on d.invoice_id = s.id
where d.run_id = s.run_id and d.attempt = s.attempt and d.state = s.state
