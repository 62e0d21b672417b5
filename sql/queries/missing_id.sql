-- Purpose: whether a pending invoice has no id, where the column may be null: of a
--   table without a primary key, and of a view, whose columns all may.
-- Locks: none.
-- Shape: in a CASE the predicate is tried on no other row, whatever the plan.
select exists (
    select from {{.Invoices}}
    where {{.ID}} is null
      and case when {{.ID}} is null then ({{.Pending}}
      ) else false end
)
