insert into {{.Schema}}.deliveries as d
    (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id,
     first_sent_at, updated_at, deadline_at)
select s.id, 'sending', 1, 1, s.key, s.body, $4,
       now(), now(), now() + make_interval(secs => $5)
from unnest($1::{{.KeyType}}[], $2::uuid[], $3::bytea[]) as s (id, key, body)
order by s.id
{{- if .Has.fenced}}
on conflict (invoice_id) do nothing
returning d.invoice_id::text
{{- end}}
