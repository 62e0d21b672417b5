-- Purpose: what waits for a person: in doubt; unmarked; failed and its invoice still
--   pending; for two days in retry; pending again though sent; set aside.
-- Locks: none.
-- Shape: deliveries_open_idx finds what is in the ledger, and the invoices' key which of
--   the failed are still pending; the other two were found by runs, in tables of their
--   own. A status asks for the list of it, a run for its groups as it ends: nobody else
--   counts it anew.
-- Flags: groups (by kind and reason, the most frequent twenty of each kind, with the
--   number of all of the kind, and of all what tells whether there is a new one: when the
--   youngest came to be open, and a hash of the set; numbers are left out of the comparison, since they are
--   mostly ids), else one row each; failing (INVOICES_PENDING fails on one of the failed:
--   all of them count as pending).
with ledger as materialized (
    select invoice_id, open_state as kind, state, attempt, amount, currency, idempotency_key, reply_id,
           coalesce(error, 'HTTP ' || http_status, 'no reply') as reason,
           case open_state when 'retry' then retry_since else updated_at end as since
    from {{.Schema}}.deliveries
    where open_state in ('in_doubt', 'unmarked', 'failed')
       or (open_state = 'retry' and retry_since < now() - interval '2 days')
), open as (
    select * from ledger
{{- if not .Has.failing}}
    where kind <> 'failed'
       or invoice_id in (
           select {{.ID}} from {{.Invoices}}
           where {{.ID}} = any (array(select ledger.invoice_id from ledger where ledger.kind = 'failed'))
             and ({{.Pending}}
             )
       )
{{- end}}
    union all
    select p.invoice_id, 'pending_again', d.state, d.attempt, d.amount, d.currency, d.idempotency_key, d.reply_id, p.reason, p.since
    from {{.Schema}}.pending_again p
    left join {{.Schema}}.deliveries d on d.invoice_id = p.invoice_id
    union all
    select s.invoice_id, 'set_aside', d.state, d.attempt, d.amount, d.currency, d.idempotency_key, d.reply_id, s.reason, s.since
    from {{.Schema}}.set_aside s
    left join {{.Schema}}.deliveries d on d.invoice_id = s.invoice_id
)
{{- if .Has.groups}}, sums as (
    select kind, regexp_replace(reason, '[0-9]+', '#', 'g') as alike, min(reason) as reason,
           count(*) as n, min(since) as since, min(invoice_id::text) as example, currency, sum(amount) as amount,
           max(since + case kind when 'retry' then interval '2 days' else interval '0' end) as newest,
           sum(hashtextextended(kind || ' ' || invoice_id::text, 0)) as hashes
    from open
    group by kind, alike, currency
), groups as (
    select kind, min(reason) as reason, sum(n)::bigint as n, min(since) as since, min(example) as example,
           jsonb_object_agg(coalesce(currency, ''), amount::text) filter (where amount is not null) as sums,
           row_number() over (partition by kind order by sum(n) desc) as nth,
           sum(sum(n)) over (partition by kind)::bigint as of_kind,
           max(max(newest)) over () as newest, (sum(sum(hashes)) over ())::text as hashes
    from sums
    group by kind, alike
)
select kind, reason, n, since, example, coalesce(sums, '{}'), of_kind, newest, hashes
from groups
where nth <= 20
order by n desc, kind, reason
{{- else}}
select invoice_id::text, kind, state, attempt, reason, since, amount::text, currency,
       coalesce(idempotency_key::text, ''), coalesce(reply_id, '')
from open
order by kind, since, invoice_id
{{- end}}
