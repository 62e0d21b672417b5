-- Purpose: since when the ledger trusts its database, who says so, and why; and the newest
--   request that it knows.
-- Locks: none.
-- Flag: newest (reads the ledger as a whole, unless a run has done so).
select accepted_at, accepted_by, accepted_reason
{{- if .Has.newest}},
       coalesce(newest_sent_at, (select max(first_sent_at) from {{.Schema}}.deliveries))
{{- end}}
from {{.Schema}}.ledger
where only_row and accepted_at is not null
