-- Purpose: the `row` strategy's claim.
-- Locks: FOR NO KEY UPDATE on each invoice returned, until the claim's
--   transaction ends. Another runner may hold it (skipped, no error), or the
--   user's application. Not FOR UPDATE: that would block the check of a foreign
--   key on the invoices (manual, 13.3.2).
select {{.ID}}::text
from {{.Invoices}}
where {{.ID}} = any ($1::{{.KeyType}}[])
  and ({{.Pending}}
  )
order by {{.ID}}
for no key update skip locked
