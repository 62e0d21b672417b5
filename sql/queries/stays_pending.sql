-- Purpose: fail the transaction (22P02) in which mark.sql was to mark these invoices,
--   where one is pending all the same: a trigger, a rule or a policy has dropped the
--   change or taken it back, and `sent` would not be true of its row.
-- Locks: none.
-- Shape: as mark.sql. The cast fails for each row that is found.
-- Flag: guarded (the predicate is tried on no row but these, whatever the plan).
select ({{.ID}}::text || ' stays pending')::integer
from {{.Invoices}}
where {{.ID}} = any ($1::{{.IDType}}[])
  and {{if .Has.guarded}}case when {{.ID}} = any ($1::{{.IDType}}[]) then {{end}}({{.Pending}}
  ){{if .Has.guarded}} else false end{{end}}
