-- Purpose: whether a pending invoice has no id, where the column may be null: of a
--   table without a primary key, and of a view, whose columns all may.
-- Locks: none.
select exists (
    select from {{.Invoices}}
    where {{.ID}} is null
      and ({{.Pending}}
    )
)
