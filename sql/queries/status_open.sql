-- Purpose: how many deliveries are open, since when, and when the next is due.
-- Locks: none.
-- Shape: deliveries_open_idx alone finds them, whatever is done already.
-- Since when: of what is submitted since the API took it, of the rest since its state.
select open_state, count(*), min(coalesce(case open_state when 'submitted' then submitted_at end, updated_at)), min(due_at),
       coalesce(extract(epoch from now() - min(updated_at)), 0)::float8,
       coalesce(extract(epoch from min(due_at) - now()), 0)::float8
from {{.Schema}}.deliveries
where open_state is not null
group by open_state
