-- Purpose: how many pending invoices a shared run has before it, so that its runners take
--   even shares of the last ones.
-- Locks: none.
-- Flags: after (greater than this id), upto (up to this id); parameters in this
--   order, behind the limit. Only: of these ids alone, the last parameter.
select count(*)
from (
    select
    from {{.Invoices}}
    where ({{.Pending}}
    )
    {{- if .Has.after}} and {{.ID}} > $2::{{.IDType}}{{end}}
    {{- if .Has.upto}} and {{.ID}} <= {{if .Has.after}}$3{{else}}$2{{end}}::{{.IDType}}{{end}}
    {{- if .Only}} and {{.ID}} = any ({{if and .Has.after .Has.upto}}$4{{else if or .Has.after .Has.upto}}$3{{else}}$2{{end}}::{{.IDType}}[]){{end}}
    order by {{.ID}}
    limit $1
) c
