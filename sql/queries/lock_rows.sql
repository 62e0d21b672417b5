-- Purpose: the `row` strategy's claim.
-- Locks: FOR NO KEY UPDATE on each invoice returned, until the claim's
--   transaction ends. Another runner may hold it (skipped, no error), or the
--   user's application. Not FOR UPDATE: that would block the check of a foreign
--   key on the invoices (manual, 13.3.2).
-- Shape: the result has another name than the key, which ORDER BY would take for it.
-- Flag: any (pending or not, where the predicate fails on one of them: the second look
--   tells which).
select {{.ID}}::text as billonce_id
from {{.Invoices}}
where {{.ID}} = any ($1::{{.IDType}}[])
{{- if not .Has.any}}
  and ({{.Pending}}
  )
{{- end}}
order by {{.ID}}
for no key update skip locked
