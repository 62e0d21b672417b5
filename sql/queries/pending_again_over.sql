-- Purpose: forget those of pending_again that are no longer pending, or no longer sent.
-- Locks: those of a DELETE on each row that goes.
delete from {{.Schema}}.pending_again
where invoice_id not in (
    select {{.ID}} from {{.Invoices}}
    where {{.ID}} = any (array(select p.invoice_id from {{.Schema}}.pending_again p))
      and ({{.Pending}}
      )
)
or not exists (
    select from {{.Schema}}.deliveries d
    where d.invoice_id = pending_again.invoice_id and d.state = 'sent'
)
