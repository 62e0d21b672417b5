-- Purpose: how many things a list could adopt, and of how many there is no invoice.
-- Locks: none.
select count(*), count(*) filter (where i.there is null)
from billonce_pairs p
left join (select {{.ID}}::text as id, true as there from {{.Invoices}}) i on i.id = coalesce(p.invoice_id::text, p.their_id)
where p.kind in ('theirs_only', 'decides', 'under_way')
  and p.lines = 1
  and (p.state is null and p.is_id or p.state in ('retry', 'failed', 'submitted', 'in_doubt', 'sending'))
