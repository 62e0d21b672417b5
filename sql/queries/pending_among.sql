-- Purpose: which of these invoices are pending, as of now: of those that lock_rows.sql
--   did not get, somebody holds them; the others are gone, or taken back.
-- Locks: none.
-- Flag: guarded (the predicate is tried on no row but these, whatever the plan).
select {{.ID}}::text
from {{.Invoices}}
where {{.ID}} = any ($1::{{.IDType}}[])
  and {{if .Has.guarded}}case when {{.ID}} = any ($1::{{.IDType}}[]) then {{end}}({{.Pending}}
  ){{if .Has.guarded}} else false end{{end}}
