-- Purpose: what requests of unknown outcome were made from.
-- Locks: none.
select invoice_id::text, row_text, column_text
from {{.Schema}}.kept
where invoice_id = any ($1::{{.KeyType}}[])
