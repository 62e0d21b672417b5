-- Purpose: what people are shown of invoices beside their keys.
-- Locks: none.
-- Shape: as text under the role's own settings, as people read it; what is longer than
--   people look at is cut off here, so that no document is sent for it.
select {{.ID}}::text
       {{- range .Columns}}, left({{.}}::text, 1000){{end}}
from {{.Invoices}}
where {{.ID}} = any ($1::{{.IDType}}[])
