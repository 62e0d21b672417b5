-- Purpose: the next ids of the invoices, pending or not: where INVOICES_PENDING fails on
--   one of a page, its row is looked for among them.
-- Locks: none.
-- Flags: after (greater than this id), upto (up to this id); parameters in this
--   order, behind the limit. Only: of these ids alone, the last parameter.
select c.id::text
from (
    select {{.ID}} as id
    from {{.Invoices}}
    where {{.ID}} is not null
        {{- if .Has.after}} and {{.ID}} > $2::{{.IDType}}{{end}}
        {{- if .Has.upto}} and {{.ID}} <= {{if .Has.after}}$3{{else}}$2{{end}}::{{.IDType}}{{end}}
        {{- if .Only}} and {{.ID}} = any ({{if and .Has.after .Has.upto}}$4{{else if or .Has.after .Has.upto}}$3{{else}}$2{{end}}::{{.IDType}}[]){{end}}
    order by {{.ID}}
    limit $1
) c
order by c.id
