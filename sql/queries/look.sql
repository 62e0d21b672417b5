-- Purpose: the second look: which of the locked invoices are still pending, as
--   of a snapshot that is younger than their locks, and what the ledger says.
-- Locks: none of its own; the claim holds the invoices' locks meanwhile.
-- Shape: a statement of its own on purpose. What is read together with the
--   lock is stale: under READ COMMITTED a statement sees the state as of its
--   own start (manual, 13.2.1), which is before it got the lock.
-- The user's fragment stands alone with the user's table, so that its column
--   names can't clash with the ledger's.
select i.{{.ID}}::text,
       {{if .Row}}row_to_json(i.*)::text{{else}}''{{end}},
       array[{{range $n, $c := .Columns}}{{if $n}}, {{end}}i.{{$c}}::text{{end}}]::text[],
       d.state,
       d.attempt,
       d.run_attempt,
       d.run_id,
       d.body_sha256,
       extract(epoch from now() - d.first_sent_at)::float8,
       extract(epoch from d.due_at - now())::float8,
       coalesce(d.doubtful, false),
       coalesce(d.deadline_at < now(), false)
from (
    select * from {{.Invoices}}
    where {{.ID}} = any ($1::{{.KeyType}}[])
      and ({{.Pending}}
    )
) i
left join lateral (
    select *
    from {{.Schema}}.deliveries
    where invoice_id = i.{{.ID}}
    limit 1
) d on true
