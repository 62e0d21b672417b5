-- Purpose: forget the invoices that were set aside and no longer are: they have a delivery,
--   or a run that has seen the whole table did not meet them so.
-- Locks: those of a DELETE on each row that goes.
-- $1: whether the run saw the whole table; $2: the ids that it has set aside.
delete from {{.Schema}}.set_aside
where ($1::boolean and invoice_id <> all ($2::{{.KeyType}}[]))
   or exists (
       select from {{.Schema}}.deliveries d
       where d.invoice_id = set_aside.invoice_id and d.state <> 'retry'
   )
