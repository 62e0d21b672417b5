-- Purpose: keep what a reconciliation came to.
-- Locks: none but the row's. It is written before anything is decided, and again with
--   what was.
insert into {{.Schema}}.reconciliations as r
    (reconciliation_id, made_by, file, file_sha256, since, until, decided, figures)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (reconciliation_id) do update set figures = excluded.figures, decided = excluded.decided
