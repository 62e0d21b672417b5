-- Purpose: what the requests were made from whose outcome this very transaction has
--   written down as unknown: a repeat is made from it. A trigger drops it with the doubt.
-- Locks: those of an INSERT, or of an UPDATE, on each row.
-- Shape: "in this very transaction" as in mark.sql. What stands there already is written
--   again only if it is another one: a repeat is made from it, and it may be large.
insert into {{.Schema}}.kept as k (invoice_id, attempt, row_text, column_text)
select d.invoice_id, d.attempt, s.row_text, s.column_text::jsonb
from unnest($1::{{.KeyType}}[], $2::text[], $3::text[]) as s (id, row_text, column_text)
join {{.Schema}}.deliveries d on d.invoice_id = s.id
where d.invoice_id = any ($1::{{.KeyType}}[])
  and d.xmin = pg_current_xact_id()::xid
  and d.doubtful
  and d.state in ('sending', 'retry', 'in_doubt', 'submitted')
on conflict (invoice_id) do update
set attempt = excluded.attempt, row_text = excluded.row_text, column_text = excluded.column_text, kept_at = now()
where (k.row_text, k.column_text) is distinct from (excluded.row_text, excluded.column_text)
