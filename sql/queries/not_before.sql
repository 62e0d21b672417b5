-- Purpose: until when the API has said that it takes no more requests, if that is not over.
-- Locks: none.
select not_before
from {{.Schema}}.ledger
where only_row and not_before > now()
