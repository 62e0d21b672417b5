-- Purpose: what would become of one invoice that is marked sent, in a
--   transaction that is rolled back: does the database let it, and is the invoice
--   pending no more?
-- Locks: those of an UPDATE on the invoice, until the rollback.
-- Shape: RETURNING sees the row as the table's constraints and its BEFORE triggers
--   have left it (manual, 6.4).
--   The predicate is tried on no other row, whatever the plan.
-- $2 and on, where INVOICES_MARK_SENT has {reply.…} placeholders: as for mark.sql.
update {{.Invoices}}
set {{.MarkSent}}
where {{.ID}} = $1::{{.IDType}}
  and case when {{.ID}} = $1::{{.IDType}} then ({{.Pending}}
  ) else false end
returning coalesce((
    {{.Pending}}
    ), false)
