-- Purpose: fail (22P02) where this run's own row does not say that all of it stands here:
--   two servers that were promoted without knowing of each other are on timelines of one
--   number, and the row tells them apart.
-- Locks: none.
-- Shape: the row is read at run time, so that no plan computes the failing cast beforehand.
-- $2: the timeline, and since when the server ran as that was written.
select case when told.place is distinct from $2
            then (coalesce(told.place, 'none') || ' is another place')::integer end
from (select (select concat(identity ->> 'timeline', ' ', identity ->> 'server') from {{.Schema}}.runs where run_id = $1)) told (place)
