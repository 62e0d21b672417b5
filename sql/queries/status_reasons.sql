-- Purpose: why deliveries failed, the most frequent reasons first. Numbers are
--   left out of the comparison: they are mostly ids.
-- Locks: none. By deliveries_open_idx.
select count(*), coalesce(http_status, 0), coalesce(min(error), ''), min(invoice_id::text)
from {{.Schema}}.deliveries
where open_state = 'failed'
group by coalesce(http_status, 0), regexp_replace(coalesce(error, ''), '[0-9]+', '#', 'g')
order by 1 desc, 3
limit $1
