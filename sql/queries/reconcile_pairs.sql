-- Purpose: hold the provider's list against the ledger: a row for each delivery and
--   for each thing that the list has, with what they are to each other (kind).
-- Locks: none. It reads both as a whole, the ledger in one snapshot.
-- Shape: one full join. A line finds its delivery by the idempotency key, where it names
--   one, else by our id, else by the API's, where one delivery alone has that. A key
--   above version 1 stands for a later effect than the one that id and reply_id name,
--   so there only the key counts. Lines are grouped first, so that what stands there
--   twice is one row, by sorting or hashing on disk: bounded by work_mem.
--   Deliveries of which a list need not know (failed, retry and the like) are rows only
--   where it does. What agrees is most of it, and kept narrow. OFFSET 0 keeps kind from
--   being worked out anew for each column that asks for it, which took most of the time.
-- $1, $2: since and until, of first_sent_at and of the list's own time; either may be
--   null. Pairs match whatever their times.
-- Flags: id, key, reply_id: what the list names; only_id: nothing else, so that the id
--   is the delivery's, if there is one; minor (the ledger's amounts are in the
--   smallest unit: $3, $4 are the currencies and their digits).
create temporary table billonce_pairs as
with lines as (
    select t.line, t.id, t.foreign_id, t.key, t.reply_id, t.amount, t.currency, t.status, t.acted, t.at,
{{- if .Has.only_id}}
           t.id as ours
    from billonce_theirs t
{{- else}}
           coalesce({{if .Has.key}}k.invoice_id, {{end}}{{if .Has.id}}i.invoice_id, {{end}}{{if .Has.reply_id}}r.invoice_id, {{end}}null) as ours
    from billonce_theirs t
{{- end}}
{{- if .Has.key}}
    left join {{.Schema}}.deliveries k on k.idempotency_key = t.key
{{- end}}
{{- if and .Has.id (not .Has.only_id)}}
    left join {{.Schema}}.deliveries i on i.invoice_id = t.id and t.key is null
{{- end}}
{{- if .Has.reply_id}}
    left join (
        select reply_id, (array_agg(invoice_id))[1] as invoice_id
        from {{.Schema}}.deliveries
        where reply_id is not null
        group by reply_id
        having count(*) = 1
    ) r on r.reply_id = t.reply_id and t.key is null and t.id is null and t.foreign_id is null
{{- end}}
), there as (
    select ours,
           count(*) as lines,
           count(*) filter (where acted) as acted,
           min(line) as line,
           min(coalesce(id::text, foreign_id)) as their_id,
           bool_and(id is not null) as is_id,
           bool_and(key is not null) as by_key,
           min(key::text) as key,
           coalesce(min(reply_id) filter (where acted), min(reply_id)) as reply_id,
           coalesce(min(amount) filter (where acted), min(amount)) as amount,
           coalesce(min(currency) filter (where acted), min(currency)) as currency,
           coalesce(min(status) filter (where acted), min(status)) as status,
           coalesce(min(at) filter (where acted), min(at)) as at
    from lines
    group by ours, case when ours is null then coalesce(key::text, id::text, foreign_id, 'reply ' || reply_id, 'line ' || line) end
), ours as (
    select d.invoice_id, d.state, d.attempt, d.key_version, d.first_sent_at, d.updated_at, d.reply_id,
{{- if .Has.minor}}
           d.amount / power(10::numeric, c.digits) as amount,
{{- else}}
           d.amount,
{{- end}}
           upper(trim(d.currency)) as currency
    from {{.Schema}}.deliveries d
{{- if .Has.minor}}
    left join unnest($3::text[], $4::integer[]) as c (code, digits) on c.code = upper(trim(d.currency))
{{- end}}
), both_sides as (
    select ours.invoice_id, ours.state, ours.attempt, ours.updated_at, ours.amount as our_amount, ours.currency as our_currency,
           there.lines, there.line, there.their_id, there.is_id, there.key, there.reply_id,
           there.amount as their_amount, there.currency as their_currency, there.status, there.at,
           ($1::timestamptz is null or ours.first_sent_at >= $1) and ($2::timestamptz is null or ours.first_sent_at < $2) as within,
           case
               when ours.invoice_id is null then case
                   when there.acted = 0 then 'not_acted'
                   when there.acted > 1 then 'twice_there'
                   else 'theirs_only' end
               when there.line is null then case
                   when ours.state in ('sent', 'unmarked') then 'ours_only'
                   else 'doubt_absent' end
               when ours.key_version > 1 and not there.by_key then 'earlier'
               when there.acted = 0 then case
                   when ours.state in ('sent', 'unmarked') then 'ours_only'
                   when ours.state = 'in_doubt' then 'undecided'
                   else 'not_acted' end
               when there.acted > 1 then 'twice_there'
               when ours.reply_id <> there.reply_id then 'ids_differ'
               when ours.amount <> there.amount or ours.currency <> there.currency then 'amounts_differ'
               when ours.state in ('sent', 'unmarked') then 'agreed'
               when ours.state = 'in_doubt' then case when there.lines = 1 then 'decides' else 'undecided' end
               when ours.state in ('sending', 'submitted') then 'under_way'
               else 'theirs_only'
           end as kind
    from there
    full join ours on ours.invoice_id = there.ours
    where case
        when ours.invoice_id is null then there.at is null or (($1::timestamptz is null or there.at >= $1) and ($2::timestamptz is null or there.at < $2))
        when there.line is null then ours.state in ('sent', 'unmarked', 'in_doubt')
            and ($1::timestamptz is null or ours.first_sent_at >= $1) and ($2::timestamptz is null or ours.first_sent_at < $2)
        else true
    end
    offset 0
)
select kind, coalesce(their_currency, our_currency, '') as currency, our_amount, their_amount, coalesce(within, true) as within,
       case when kind <> 'agreed' then line end as line,
       case when kind <> 'agreed' then invoice_id end as invoice_id,
       case when kind <> 'agreed' then state end as state,
       case when kind <> 'agreed' then attempt end as attempt,
       case when kind <> 'agreed' then updated_at end as updated_at,
       case when kind <> 'agreed' then our_currency end as our_currency,
       case when kind <> 'agreed' then their_currency end as their_currency,
       case when kind <> 'agreed' then lines end as lines,
       case when kind <> 'agreed' then their_id end as their_id,
       case when kind <> 'agreed' then is_id end as is_id,
       case when kind <> 'agreed' then key end as key,
       case when kind <> 'agreed' then reply_id end as reply_id,
       case when kind <> 'agreed' then status end as status,
       case when kind <> 'agreed' then at end as at
from both_sides
