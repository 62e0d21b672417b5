-- Purpose: whether a person has paused the book, who, when and why.
-- Locks: none.
select paused_at, paused_by, pause_reason
from {{.Schema}}.ledger
where only_row and paused_at is not null
