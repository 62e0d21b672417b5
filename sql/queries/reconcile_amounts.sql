-- Purpose: what invoices bill that a list could adopt, and that have no delivery which
--   says so.
-- Locks: none.
-- Shape: a page of ids, by the user's own index.
select i.{{.ID}}::text,
       {{if .Amount}}i.{{.Amount}}{{else}}null{{end}}::text,
       {{if .Currency}}i.{{.Currency}}{{else}}null{{end}}::text
from (
    select * from {{.Invoices}}
    where {{.ID}} = any ($1::{{.IDType}}[])
) i
