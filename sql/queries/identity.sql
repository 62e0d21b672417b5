-- Purpose: which database this is, and which one the ledger trusts.
-- Locks: none.
-- Flags: here (of the connection alone: not of the ledger, which its role need not see);
--   less, and least (without what the role, or this kind of database, may not tell).
-- Shape: either table may be restored alone. The timeline is the first eight digits of a WAL file's name (manual, 9.27.3).
select {{if .Has.less}}''{{else}}(select system_identifier::text from pg_control_system()){{end}},
       (select oid::text from pg_database where datname = current_database()),
{{- if not .Has.here}}
       '{{.Schema}}.ledger'::regclass::oid || '/' || '{{.Schema}}.deliveries'::regclass::oid,
{{- end}}
       {{if .Has.least}}''{{else}}case when pg_is_in_recovery() then '' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end{{end}}
{{- if not .Has.here}},
       {{if .Has.least}}''{{else}}(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint::text{{end}},
       coalesce(accepted_identity, 'null')
from {{.Schema}}.ledger
where only_row
{{- end}}
