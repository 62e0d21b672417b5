-- Purpose: how many deliveries people cancelled.
-- Locks: none. By history_cancelled_idx.
select count(*) from {{.Schema}}.history where decision = 'cancelled'
