-- Purpose: what nobody will find any more comes into doubt: a `sending` whose runner is
--   gone, or a `retry` that may have had its effect, whose invoice is not pending. No
--   scan meets it. A person, or its own late reply, decides it; as with every doubt, not
--   before its deadline.
-- Locks: FOR NO KEY UPDATE on each delivery that comes into doubt.
-- Shape: the ledger is read once, as no index has what is `sending`, and only where
--   write_off.sql, in the same transaction, has written a run off, or this run has left
--   some itself. What is in `retry` is found by deliveries_open_idx. Whoever is at a delivery meanwhile compares and swaps.
-- Flags, for where INVOICES_PENDING fails on one of the invoices: found (which deliveries
--   may have been left); pending ($3 are pending).
-- $1: this run; $2: whether it has ended, and has left some itself.
with found as materialized (
    select invoice_id, state
    from {{.Schema}}.deliveries
    where ($2 or (select exists (select from {{.Schema}}.runs where written_off_by = $1)))
      and state = 'sending'
      and (deadline_at < now() or $2 and run_id = $1::text::uuid
           or run_id in (select run_id from {{.Schema}}.runs where written_off_by = $1))
    union all
    select invoice_id, state
    from {{.Schema}}.deliveries
    where open_state = 'retry' and doubtful and deadline_at < now()
)
{{- if .Has.found}}
select invoice_id::text from found
{{- else}}, gone as materialized (
    select invoice_id, state
    from found
{{- if .Has.pending}}
    where invoice_id <> all ($3::{{.KeyType}}[])
{{- else}}
    where invoice_id not in (
        select {{.ID}} from {{.Invoices}}
        where {{.ID}} = any (array(select invoice_id from found))
          and ({{.Pending}}
          )
    )
{{- end}}
)
update {{.Schema}}.deliveries as d
set state = 'in_doubt',
    open_state = 'in_doubt',
    doubtful = true,
    due_at = null,
    retry_since = null,
    updated_at = now(),
    error = case gone.state
                when 'sending' then coalesce('the API may have acted; seen: ' || d.error, 'its runner is gone: it is not known whether the API acted')
                else coalesce('the API may have acted; seen: ' || d.error, 'the API may have acted')
            end || '; the invoice is not pending any more'
from gone
where d.invoice_id = any (array(select invoice_id from gone))
  and d.invoice_id = gone.invoice_id
  and d.state = gone.state
returning d.invoice_id::text
{{- end}}
