-- Purpose: record the last deliveries that a reply accepted: the look-ups of this run and
--   of later ones are held against them.
-- Locks: the run's own row, which nobody else writes.
-- $2 to $4: their ids, the hashes of their look-ups, and their ages in seconds.
update {{.Schema}}.runs
set lookup_controls = (
    select jsonb_agg(jsonb_build_object('id', c.id, 'lookup', encode(c.lookup, 'hex'), 'at', now() - make_interval(secs => c.age)))
    from unnest($2::text[], $3::bytea[], $4::float8[]) as c (id, lookup, age)
)
where run_id = $1
