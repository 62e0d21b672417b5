-- Purpose: a key gets a version that older programs don't know, which compute the first
--   one: none of them may begin a run from here on, and none may be unfinished.
-- Locks: on the runs, SHARE ROW EXCLUSIVE: else one could begin between the look and the
--   write. FOR NO KEY UPDATE on the ledger's row.
-- Shape: the lock is a statement of its own, since what is read together with a lock is
--   stale. It is needed once in a ledger's life. No row is returned where an older
--   program's run is unfinished.
-- Flags: read (which ledger it is, and whether that was done already), lock.
{{if .Has.read -}}
select id, raised_at is not null from {{.Schema}}.ledger
{{- else if .Has.lock -}}
lock table {{.Schema}}.runs in share row exclusive mode
{{- else -}}
update {{.Schema}}.ledger
set raised_at = now()
where not exists (
    select from {{.Schema}}.runs
    where finished_at is null and written_off_at is null and program is null
)
returning raised_at
{{- end}}
