-- Purpose: what requests are made from: the second look's invoices, as text.
-- Locks: none of its own; the claim holds the invoices' locks meanwhile.
-- Shape: behind look.sql and in its snapshot, so that no request mixes a row that was
--   pending with one that is no more. A statement of its own, since how a value is
--   written depends on settings, of which this one has its own (sql.ValueSettings): else
--   a role's time zone, say, would make another request of the same row.
-- Flags: own (under the role's settings, of pending rows alone: for an id that several
--   rows have; the predicate is tried on no others); older (the same in the database's encoding, as older programs read it).
select i.{{.ID}}::text
       {{- if .Has.older}}
       {{- if .Row}}, convert_to(row_to_json(i.*)::text, getdatabaseencoding()){{end}}
       {{- range .Columns}}, convert_to(i.{{.}}::text, getdatabaseencoding()){{end}}
       {{- else}}
       {{- if .Row}}, row_to_json(i.*)::text{{end}}
       {{- range .Columns}}, i.{{.}}::text{{end}}
       {{- end}}
       {{- if .Amount}}, i.{{.Amount}}::text{{end}}
       {{- if .Currency}}, i.{{.Currency}}::text{{end}}
from (
    select * from {{.Invoices}}
    where {{.ID}} = any ($1::{{.IDType}}[])
{{- if or .Has.own .Has.older}}
      and case when {{.ID}} = any ($1::{{.IDType}}[]) then ({{.Pending}}
      ) else false end
{{- end}}
) i
