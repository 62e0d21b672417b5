-- Purpose: fail (22P02) where this run's own row does not say that all of it stands on
--   timeline $2: two servers that were promoted without knowing of each other are on
--   timelines of one number, and the row tells them apart.
-- Locks: none.
-- Shape: the row is read at run time, so that no plan computes the failing cast beforehand.
select case when told.timeline is distinct from $2
            then (coalesce(told.timeline, 'none') || ' is another timeline')::integer end
from (select (select identity ->> 'timeline' from {{.Schema}}.runs where run_id = $1)) told (timeline)
