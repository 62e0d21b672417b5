-- Purpose: the second look: which of the locked invoices are still pending, as
--   of a snapshot that is younger than their locks. values.sql and look_ledger.sql follow
--   in the same snapshot.
-- Locks: none of its own; the claim holds the invoices' locks meanwhile.
-- Shape: a statement of its own on purpose. What is read together with the
--   lock is stale: under READ COMMITTED a statement sees the state as of its
--   own start (manual, 13.2.1), which is before it got the lock.
-- Flags: any (pending or not: what a look-up is tested by); guarded (the predicate is
--   tried on no row but these, whatever the plan).
-- The user's fragment stands alone with the user's table, so that nothing of ours
--   can clash with its column names.
select i.{{.ID}}::text
from (
    select * from {{.Invoices}}
    where {{.ID}} = any ($1::{{.IDType}}[])
      {{- if .Has.guarded}}
      and case when {{.ID}} = any ($1::{{.IDType}}[]) then ({{.Pending}}
      ) else false end
      {{- end}}
{{- if not (or .Has.any .Has.guarded)}}
      and ({{.Pending}}
    )
{{- end}}
) i
