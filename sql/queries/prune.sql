-- Purpose: forget deliveries that are settled for long, one page of the ledger at
--   a time, with their history.
-- Locks: those of a DELETE on each row that goes. No run touches them: their
--   invoices are not pending.
-- Shape: the page is walked by the primary key, so that each row is read once. What
--   is open (sending, retry, in_doubt) stays, however old; so does what is pending
--   again: its delivery is what keeps it from being sent twice. What is not pending
--   today may be so tomorrow, where the predicate depends on the time: as long as its
--   invoice is there, what was cancelled stays, and what was sent and not marked.
-- Flags: guarded (the predicate is tried on no row but the page's, whatever the plan); skip (nothing goes).
-- $1: the id to go on after (null: from the beginning); $2: rows in the page;
--   $3: age in seconds.
with page as (
    select invoice_id
    from {{.Schema}}.deliveries
    where $1::text is null or invoice_id > $1::text::{{.KeyType}}
    order by invoice_id
    limit $2
), pruned as (
    delete from {{.Schema}}.deliveries as d
    where d.invoice_id = any (array(select invoice_id from page))
      and d.state in ('sent', 'failed', 'cancelled')
      and d.updated_at < now() - make_interval(secs => $3)
{{- if .Has.skip}}
      and false
{{- else}}
      and d.invoice_id not in (
          select {{.InLedger .ID}} from {{.Invoices}}
          where {{.ID}} = any (array(select page.invoice_id from page)::{{.IDType}}[])
            and {{if .Has.guarded}}case when {{.ID}} = any (array(select page.invoice_id from page)::{{.IDType}}[]) then {{end}}({{.Pending}}
          ){{if .Has.guarded}} else false end{{end}}
      )
      and not ((d.state = 'cancelled' or d.gone_at is not null) and d.invoice_id in (
          select {{.ID}} from {{.Invoices}}
          where {{.ID}} = any (array(select page.invoice_id from page))
      ))
{{- end}}
    returning d.invoice_id
), forgotten as (
    delete from {{.Schema}}.history
    where invoice_id = any (array(select invoice_id from pruned))
)
select (select invoice_id::text from page order by invoice_id desc limit 1),
       (select count(*) from page),
       (select count(*) from pruned)
