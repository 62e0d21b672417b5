-- Purpose: deliveries that the provider's list has, and the ledger does not have as
--   sent: they are written as $9, sent or unmarked. mark.sql follows in the same
--   transaction where it is sent.
-- Locks: FOR NO KEY UPDATE on each delivery that there is.
-- Shape: where there is none, the primary key is the fence: whoever was first with an
--   intent, a runner too, has it. Where there is one, compare and swap on what was
--   compared, and the rules once more by the database's clock: what may still be on its
--   way is left. History and deletions are of what was written, and in one statement
--   with it; what is kept of doubtful requests goes by the ledger's own trigger.
--   The ids are given twice, so that whatever the join, the ledger is read by its index.
--   run_id is the reconciliation's: a later run that marks what is unmarked is guarded
--   by it.
-- $1 to $8: ids, the keys of those without a delivery, the API's ids, times, amounts and
--   currencies, null where not known; state and attempt of the delivery as compared
--   (null: none). $9 to $14: the state to write, the reconciliation,
--   BILLING_LOOKUP_AFTER in seconds, by whom, why, and what kept the invoice from being
--   marked.
with listed as (
    select *
    from unnest($1::{{.KeyType}}[], $2::uuid[], $3::text[], $4::timestamptz[], $5::numeric[], $6::text[], $7::text[], $8::integer[])
        as l (id, key, reply_id, at, amount, currency, was, attempt)
), fresh as (
    insert into {{.Schema}}.deliveries
        (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at, state, open_state,
         error, reply_id, amount, currency)
    select id, key, $10, 1, 0, coalesce(at, now()), coalesce(at, now()), clock_timestamp(), $9, case when $9 = 'unmarked' then $9 end,
           $14, reply_id, amount, currency
    from listed
    where was is null
    order by id
    on conflict (invoice_id) do nothing
    returning invoice_id, attempt, 'untried'::text as was, updated_at as seen_at
), old as (
    select d.invoice_id, d.attempt, d.state, d.updated_at, l.reply_id
    from listed l
    join {{.Schema}}.deliveries d on d.invoice_id = l.id
    where d.invoice_id = any ($1::{{.KeyType}}[])
      and l.was is not null and d.state = l.was and d.attempt = l.attempt
      and case
              when d.state in ('retry', 'failed', 'submitted') then true
              when d.state in ('in_doubt', 'sending') then d.deadline_at + make_interval(secs => $11) < now()
              else false
          end
    order by d.invoice_id
    for no key update of d
), changed as (
    update {{.Schema}}.deliveries as d
    set state          = $9,
        open_state     = case when $9 = 'unmarked' then $9 end,
        run_id         = $10,
        run_attempt    = 0,
        updated_at     = clock_timestamp(),
        due_at         = null,
        retry_since    = null,
        error          = $14,
        reply_id       = coalesce(d.reply_id, old.reply_id),
        body_sha256    = null,
        request_sha256 = null,
        lookup_sha256  = null
    from old
    where d.invoice_id = any ($1::{{.KeyType}}[]) and d.invoice_id = old.invoice_id
    returning d.invoice_id, d.attempt, old.state as was, old.updated_at as seen_at
), written as (
    select * from fresh
    union all
    select * from changed
), told as (
    insert into {{.Schema}}.history (invoice_id, kind, attempt, state, settled_at, decision, decided_by, reason)
    select invoice_id, 'decision', attempt, was, seen_at, 'sent', $12, $13
    from written
), known as (
    delete from {{.Schema}}.set_aside where invoice_id = any ($1::{{.KeyType}}[]) and invoice_id in (select invoice_id from written)
)
select invoice_id::text from written
