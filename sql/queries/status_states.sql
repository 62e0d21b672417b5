-- Purpose: deliveries by state, for `status`.
-- Locks: none.
select state, count(*) from {{.Schema}}.deliveries group by state order by state
