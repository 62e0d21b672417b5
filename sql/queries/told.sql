-- Purpose: what NOTIFY_URL took last; none, if it never took anything.
-- Locks: none.
select coalesce(told, '{}') from {{.Schema}}.ledger where only_row
