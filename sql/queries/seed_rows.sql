-- Purpose: add pending invoices to the demo's table.
-- Locks: none but the new rows'.
insert into invoices (customer, amount_cents, currency, due_date)
select 'Customer ' || n,
       100 + (n * 7919) % 100000,
       'EUR',
       current_date + 3
from generate_series(1, $1::bigint) n
