-- Purpose: the next page of pending invoices, by keyset, with what the ledger
--   says about each in the same snapshot.
-- Locks: none; the page is stale the moment it is read. Only the second look
--   (look.sql), under the invoice's lock, decides.
-- Shape: the page is cut first, from the pending invoices alone, so that it
--   costs the same on any table. LATERAL … LIMIT 1 keeps the ledger to one
--   index look-up a candidate: a merge join would read the ledger from its
--   beginning.
-- What is submitted stays pending, for days perhaps, and there is nothing to do for it
--   here. deliveries_submitted_id_idx has it alone, in the page's order and within its
--   bounds, so that it is merged away: a hundred thousand of them in a hundredth of a second.
-- With INVOICES_ONE_PER it says of which value each is.
-- Flags: after (greater than this id), upto (up to this id); parameters in this
--   order, behind the limit. Only: of these ids alone, the last parameter. Guarded, with
--   both bounds: the predicate is tried on no row outside of them, whatever the plan.
select c.id::text,
       d.state,
       extract(epoch from d.due_at - now())::float8,
       d.run_id,
       d.attempt,
       d.run_attempt
       {{- if .OnePer}},
       c.one_per{{end}}
from (
    select p.id
           {{- if .OnePer}}, p.one_per{{end}}
    from (
        select {{.ID}} as id
               {{- if .OnePer}}, {{.OnePer}}::text as one_per{{end}}
        from {{.Invoices}}
        where {{if .Has.guarded}}case when {{if .Has.after}}{{.ID}} > $2::{{.IDType}} and {{end}}{{.ID}} <= {{if .Has.after}}$3{{else}}$2{{end}}::{{.IDType}} then {{end}}({{.Pending}}
        ){{if .Has.guarded}} else false end{{end}}
        {{- if .Has.after}} and {{.ID}} > $2::{{.IDType}}{{end}}
        {{- if .Has.upto}} and {{.ID}} <= {{if .Has.after}}$3{{else}}$2{{end}}::{{.IDType}}{{end}}
        {{- if .Only}} and {{.ID}} = any ({{if and .Has.after .Has.upto}}$4{{else if or .Has.after .Has.upto}}$3{{else}}$2{{end}}::{{.IDType}}[]){{end}}
    ) p
    where not exists (
        select from {{.Schema}}.deliveries s
        where s.invoice_id = {{.InLedger "p.id"}} and s.open_state = 'submitted'
          {{- if .Has.after}} and s.invoice_id > {{.InLedger (print "$2::" .IDType)}}{{end}}
          {{- if .Has.upto}} and s.invoice_id <= {{.InLedger (print (or (and .Has.after "$3") "$2") "::" .IDType)}}{{end}}
    )
    order by p.id
    limit $1
) c
left join lateral (
    select state, due_at, run_id, attempt, run_attempt
    from {{.Schema}}.deliveries
    where invoice_id = {{.InLedger "c.id"}}
    limit 1
) d on true
order by c.id
