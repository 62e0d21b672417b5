-- Purpose: which of these invoices are pending, as of now: of those that lock_rows.sql
--   did not get, somebody holds them; the others are gone, or taken back.
-- Locks: none.
select {{.ID}}::text
from {{.Invoices}}
where {{.ID}} = any ($1::{{.IDType}}[])
  and ({{.Pending}}
  )
