-- Purpose: how many deliveries are open, and nothing else: for a page that is read every
--   second.
-- Locks: none.
-- Shape: deliveries_open_idx alone has it, so no delivery is visited; status_open visits
--   each.
select open_state, count(*), null::timestamptz, null::timestamptz, 0::float8, 0::float8
from {{.Schema}}.deliveries
where open_state is not null
group by open_state
