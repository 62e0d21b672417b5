update {{.Schema}}.deliveries as d
set state       = $5,
    run_attempt = $4,
    doubtful    = $6,
    updated_at  = clock_timestamp(),
    http_status = nullif($7::smallint, 0),
{{- if .Has.each}}
    due_at      = case when $5 = 'retry' then clock_timestamp() + make_interval(secs => s.retry_in) end,
    error       = s.error,
    reply_id    = coalesce(s.reply_id, d.reply_id)
from unnest($1::{{.KeyType}}[], $8::float8[], $9::text[], $10::text[]) as s (id, retry_in, error, reply_id)
{{- else}}
    due_at      = null,
    error       = null
{{- end}}
where d.invoice_id = any ($1::{{.KeyType}}[])
{{- if .Has.each}}
  and d.invoice_id = s.id
{{- end}}
  and d.run_id = $2
  and d.attempt = $3
  and (d.state = 'sending' or (d.state in ('retry', 'in_doubt') and $5 <> 'sending'))
