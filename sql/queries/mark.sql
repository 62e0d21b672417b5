-- Purpose: mark the invoices whose deliveries were settled as sent in this very
--   transaction: ledger and invoice change together or not at all.
-- Locks: those of an UPDATE on each invoice that is marked. The user's
--   application may hold an invoice; lock_timeout bounds the wait. In the `row`
--   strategy the claim itself holds the invoices, so there this runs on the
--   claim's own connection.
-- Shape: "in this very transaction" is the delivery's xmin, which says who wrote the
--   row (manual, System Columns). An invoice that was deleted or taken back meanwhile
--   is not marked, and reported. The table has no alias, so that the user's
--   fragments may name it. The subquery is an array, which is made once, by the ledger's
--   index, and then leads into the invoices' one: a join may become one of everything
--   with everything.
-- Flag: guarded (the predicate is tried on no row but these, whatever the plan).
-- $2 and on, where INVOICES_MARK_SENT has {reply.…} placeholders: what the replies
--   said in each one's place, as a JSON object by the invoices' ids.
update {{.Invoices}}
set {{.MarkSent}}
where {{.ID}} = any (array(
      select billonce_delivery.invoice_id
      from {{.Schema}}.deliveries as billonce_delivery
      where billonce_delivery.invoice_id = any ($1::{{.KeyType}}[])
        and billonce_delivery.state = 'sent' and billonce_delivery.xmin = pg_current_xact_id()::xid
  )::{{.IDType}}[])
  and {{if .Has.guarded}}case when {{.ID}} = any ($1::{{.IDType}}[]) then {{end}}({{.Pending}}
  ){{if .Has.guarded}} else false end{{end}}
returning {{.ID}}::text
