-- Purpose: by what runs have tested their look-ups: of the youngest that recorded any, the
--   deliveries that a reply accepted; and what the last test under the same settings came to.
-- Locks: none.
-- $1: the settings' fingerprint; $2: how many runs.
select 'test' as kind, null as id, null as lookup, null::float8 as age, t.lookup_test as test
from (
    select lookup_test
    from {{.Schema}}.runs
    where lookup_test ->> 'settings' = $1
    order by number desc
    limit 1
) t
union all
select 'control', c ->> 'id', c ->> 'lookup', extract(epoch from now() - (c ->> 'at')::timestamptz)::float8, null
from (
    select lookup_controls
    from {{.Schema}}.runs
    where jsonb_array_length(lookup_controls) > 0
    order by number desc
    limit $2
) r
cross join lateral jsonb_array_elements(r.lookup_controls) as c
