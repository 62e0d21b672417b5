-- The ledger's shape for version 1.0: what the same request is made of, versions of the
-- key, more states, whom the ledger belongs to, what each run saw. Nothing is rewritten
-- and no index is made anew, whatever the ledger's size, and runs of the older program
-- that are under way go on to their end: their statements write the new columns' defaults.
-- {{.schema}} is LEDGER_SCHEMA, {{.key_type}} the type of the ledger's key.

-- It locks out everybody for an instant. Behind somebody's long transaction (a dump, say)
-- it would wait with all runs queued up behind itself: rather it gives up, and is tried again.
set local lock_timeout = '3s';
lock table {{.schema}}.deliveries, {{.schema}}.runs in access exclusive mode;

-- ---- deliveries ----

-- Settling logs what is between the first and the last byte that it changes (access/heap,
-- log_heap_update): so what it changes stands together, between what stays. A ledger
-- without rows gets that order; in another one the order costs some 50 bytes of WAL for
-- each delivery, and nothing else.
do $order$
begin
    if exists (select from {{.schema}}.deliveries) then
        -- Keeps its values, and is written by the statements and by a trigger from now on.
        alter table {{.schema}}.deliveries alter column open_state drop expression;
        return;
    end if;
    alter table {{.schema}}.deliveries
        drop column body_sha256, drop column updated_at, drop column due_at, drop column doubtful, drop column http_status,
        drop column open_state, drop column state, drop column error, drop column reply_id;
    alter table {{.schema}}.deliveries
        add column key_version    smallint    not null default 1,
        add column key_use        smallint    not null default 1,
        add column http_status    smallint,
        add column doubtful       boolean     not null default false,
        add column updated_at     timestamptz not null,
        add column state          text        not null,
        add column due_at         timestamptz,
        add column retry_since    timestamptz,
        add column submitted_at   timestamptz,
        add column body_sha256    bytea,
        add column request_sha256 bytea,
        add column lookup_sha256  bytea,
        add column error          text,
        add column open_state     text,
        add column reply_id       text,
        add column reply          jsonb,
        add column amount         numeric,
        add column currency       text,
        add column gone_at        timestamptz;
    -- The most money first, as people are shown them: a page of them is a page of the index.
    create index deliveries_open_idx on {{.schema}}.deliveries (open_state, coalesce(-amount, 1e30), invoice_id)
        where open_state is not null;
    -- The next look-up first; and what a scan passes over. Nothing else is written to them.
    create index deliveries_submitted_idx on {{.schema}}.deliveries (due_at, invoice_id) where open_state = 'submitted';
    create index deliveries_submitted_id_idx on {{.schema}}.deliveries (invoice_id) where open_state = 'submitted';
end
$order$;
alter table {{.schema}}.deliveries
    add column if not exists key_version    smallint not null default 1,
    add column if not exists key_use        smallint not null default 1,
    add column if not exists retry_since    timestamptz,
    add column if not exists submitted_at   timestamptz,
    add column if not exists request_sha256 bytea,
    add column if not exists lookup_sha256  bytea,
    add column if not exists reply          jsonb,
    add column if not exists amount         numeric,
    add column if not exists currency       text,
    add column if not exists gone_at        timestamptz,
    alter column body_sha256 drop not null;

-- NOT VALID: old rows hold to narrower ones, and reading them all would take its time
-- under this lock. What is written is checked.
alter table {{.schema}}.deliveries
    drop constraint if exists deliveries_state_check,
    drop constraint if exists deliveries_due_at_check,
    drop constraint if exists deliveries_body_sha256_check,
    add constraint deliveries_state_check check
        (state in ('sending', 'sent', 'unmarked', 'failed', 'retry', 'submitted', 'in_doubt', 'cancelled')) not valid,
    add constraint deliveries_due_at_check check ((state in ('retry', 'submitted')) = (due_at is not null)) not valid,
    add constraint deliveries_hashes_check check
        (octet_length(body_sha256) = 32 and octet_length(request_sha256) = 32 and octet_length(lookup_sha256) = 32) not valid,
    add constraint deliveries_key_version_check check (key_version >= 1) not valid,
    add constraint deliveries_key_use_check check (key_use between 0 and 2) not valid;

-- A delivery shrinks as it is settled: its hashes go. So its page needs less room for the
-- second write than it did, and takes more deliveries the next night, once it was
-- vacuumed: which default settings would do only after a fifth more of the whole ledger.
-- make ledger-size measures it.
alter table {{.schema}}.deliveries set
    (fillfactor = 62, autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0);

update {{.schema}}.deliveries set retry_since = updated_at where open_state = 'retry';

comment on column {{.schema}}.deliveries.key_version is
    'which of the invoice''s keys idempotency_key is; 1 for what older programs wrote';
comment on column {{.schema}}.deliveries.key_use is
    'of the attempts under this key: 0: of one it was not known what it came to; 1: it is known of each; 2: no byte of them has left. Older programs write 1, whatever it was';
comment on column {{.schema}}.deliveries.request_sha256 is
    'of method, URL, body and the headers made from the row or the key; null once the delivery is decided, and for attempts of older programs';
comment on column {{.schema}}.deliveries.lookup_sha256 is
    'of the look-up''s URL and the headers made from the row; null like request_sha256, and where there is no look-up';
comment on column {{.schema}}.deliveries.body_sha256 is
    'of the body alone; null once the delivery is decided';
comment on column {{.schema}}.deliveries.due_at is
    'retry: when it may be tried again; submitted: when it is looked up next';
comment on column {{.schema}}.deliveries.retry_since is
    'since when it is in retry, the attempts in between included';
comment on column {{.schema}}.deliveries.submitted_at is
    'when the API took the request (202)';
comment on column {{.schema}}.deliveries.reply_id is
    'the id that the API gave in its reply, where BILLING_REPLY_ID asks for it';
comment on column {{.schema}}.deliveries.reply is
    'unmarked: what INVOICES_MARK_SENT takes from the reply';
comment on column {{.schema}}.deliveries.gone_at is
    'sent: when it was found that its invoice was deleted or not pending, and so was not marked';
comment on column {{.schema}}.deliveries.amount is
    'INVOICES_AMOUNT as the intent was recorded, in the currency''s unit';
comment on column {{.schema}}.deliveries.doubtful is
    'an attempt may have had its effect: nothing but the same request under the same key may follow';
comment on column {{.schema}}.deliveries.open_state is
    'the state, where a run or a person has still to look at the delivery: for the index';

-- Our statements write open_state themselves. What doesn't, older programs and DBAs, is
-- corrected behind it. Not by a BEFORE trigger: that locks each row first, which is
-- logged, whatever its WHEN says (manual, Trigger Behavior; ExecBRUpdateTriggers).
create function {{.schema}}.keep_open_state() returns trigger language plpgsql as $keep_open_state$
begin
    update {{.schema}}.deliveries
    set open_state = case when state in ('unmarked', 'failed', 'retry', 'submitted', 'in_doubt') then state end
    where invoice_id = new.invoice_id;
    return null;
end
$keep_open_state$;
create trigger deliveries_keep_open_state after insert or update of state on {{.schema}}.deliveries
    for each row when (new.open_state is distinct from
        case when new.state in ('unmarked', 'failed', 'retry', 'submitted', 'in_doubt') then new.state end)
    execute function {{.schema}}.keep_open_state();

-- ---- history ----

alter table {{.schema}}.history
    add column key_version     smallint,
    add column idempotency_key uuid,
    add column request_sha256  bytea,
    add column lookup_sha256   bytea,
    add column deadline_at     timestamptz,
    add column reply_id        text,
    -- What has failed and is tried again has no hashes any more.
    drop constraint history_attempt_check,
    add constraint history_attempt_check
        check (kind <> 'attempt' or (first_sent_at, doubtful, run_id) is not null) not valid;
-- What was decided since a run counted what is open. The history has what is unusual
-- alone, and few decisions.
create index history_decided_idx on {{.schema}}.history (recorded_at) where kind = 'decision';
comment on column {{.schema}}.history.key_version is
    'attempt: the version of the key that it had; null for those before version 1.0: they had the first one';

comment on column {{.schema}}.history.idempotency_key is
    'attempt: the key that it had; decision: the key that it replaced by the next version';

create or replace function {{.schema}}.keep_attempt() returns trigger language plpgsql as $keep_attempt$
declare
    replaced record; -- who raised the key's version has written the attempt's own key down
begin
    select h.key_version, h.idempotency_key, h.reply_id into replaced
    from {{.schema}}.history h
    where h.invoice_id = old.invoice_id and h.kind = 'decision' and h.attempt = old.attempt and h.idempotency_key is not null
    order by h.entry limit 1;
    if found then
        old.key_version := replaced.key_version;
        old.idempotency_key := replaced.idempotency_key;
        old.reply_id := replaced.reply_id;
    end if;
    insert into {{.schema}}.history
        (invoice_id, kind, attempt, state, settled_at, first_sent_at, body_sha256, doubtful, run_id, http_status, error,
         key_version, idempotency_key, request_sha256, lookup_sha256, deadline_at, reply_id)
    values
        (old.invoice_id, 'attempt', old.attempt, old.state, old.updated_at, old.first_sent_at, old.body_sha256,
         old.doubtful, old.run_id, old.http_status, old.error,
         old.key_version, old.idempotency_key, old.request_sha256, old.lookup_sha256, old.deadline_at, old.reply_id);
    return null;
end
$keep_attempt$;

-- ---- what else an open delivery needs ----

-- What the row said as an attempt of unknown outcome was made: a repeat is built from it.
-- A table of its own, since the page's role may not read it.
create table {{.schema}}.kept (
    invoice_id  {{.key_type}} not null,
    attempt     integer     not null,
    row_text    text,
    column_text jsonb,
    kept_at     timestamptz not null default now(),
    constraint kept_pkey primary key (invoice_id),
    constraint kept_something_check check (row_text is not null or column_text is not null),
    constraint kept_size_check check (coalesce(octet_length(row_text), 0) + coalesce(octet_length(column_text::text), 0) <= 512 * 1024)
);
comment on table {{.schema}}.kept is
    'the values from the row that a request of unknown outcome was built from; no setting, and no credential';

-- What is kept goes with the doubt, whoever clears it: a run, a person, an older program.
-- Only what was in doubt has any. Its owner's rights: who decides need not read it.
create function {{.schema}}.drop_kept() returns trigger language plpgsql
    security definer set search_path = pg_catalog, pg_temp as $drop_kept$
begin
    delete from {{.schema}}.kept where invoice_id = new.invoice_id;
    return null;
end
$drop_kept$;
create trigger deliveries_drop_kept after update on {{.schema}}.deliveries
    for each row when (old.doubtful and (not new.doubtful or new.state in ('sent', 'unmarked', 'failed', 'cancelled')))
    execute function {{.schema}}.drop_kept();

-- Invoices that wait for a person and have no delivery that says so.
create table {{.schema}}.set_aside (
    invoice_id {{.key_type}} not null,
    reason     text        not null,
    run_id     uuid        not null,
    since      timestamptz not null default now(),
    constraint set_aside_pkey primary key (invoice_id)
);
comment on table {{.schema}}.set_aside is
    'pending invoices of which no request can be built, or whose SQL fails';
create table {{.schema}}.pending_again (
    invoice_id {{.key_type}} not null,
    reason     text        not null,
    run_id     uuid        not null,
    since      timestamptz not null default now(),
    constraint pending_again_pkey primary key (invoice_id)
);
comment on table {{.schema}}.pending_again is
    'invoices that are pending though they were sent';

-- ---- ledger ----

alter table {{.schema}}.ledger
    add column invoices_table    text,
    add column key_column        text,
    add column accepted_identity jsonb,
    add column accepted_at       timestamptz,
    add column accepted_by       text,
    add column accepted_reason   text,
    add column accepted_before   jsonb not null default '[]',
    add column found_identity    jsonb,
    add column found_at          timestamptz,
    add column newest_sent_at    timestamptz,
    add column paused_at         timestamptz,
    add column paused_by         text,
    add column pause_reason      text,
    add column not_before        timestamptz,
    add column told_at           timestamptz,
    add column told              jsonb,
    add column raised_at         timestamptz,
    add column rebound_from      text,
    add column rebound_at        timestamptz,
    add column rebound_by        text,
    add constraint ledger_table_check check ((invoices_table is null) = (key_column is null)),
    add constraint ledger_pause_check check
        (num_nonnulls(paused_at, paused_by, pause_reason) in (0, 3));
comment on column {{.schema}}.ledger.invoices_table is
    'the table whose invoices these are, with its schema, in quotes as in SQL; null until a migrate has seen it';
comment on column {{.schema}}.ledger.rebound_from is
    'the table and key that it belonged to before somebody bound it to these (migrate --rebind)';
comment on column {{.schema}}.ledger.accepted_identity is
    'of the database that is trusted not to have forgotten: system, database, ledger, timeline';
comment on column {{.schema}}.ledger.accepted_before is
    'what was accepted before it, the oldest first: identity, and who accepted it, when and why';
comment on column {{.schema}}.ledger.found_identity is
    'another one, as the first run saw it that found the change; null where there is none';
comment on column {{.schema}}.ledger.newest_sent_at is
    'the newest first_sent_at as found_identity was found: what came after it may be lost';
comment on column {{.schema}}.ledger.not_before is
    'from when on it makes sense to run again: the API has throttled us';
comment on column {{.schema}}.ledger.told is
    'what NOTIFY_URL took last';
comment on column {{.schema}}.ledger.raised_at is
    'when a key got a version above 1 for the first time: from then on no run of an older program may begin';

-- ---- runs ----

alter table {{.schema}}.runs
    add column program          integer,
    add column job              text,
    add column identity         jsonb,
    add column settings         jsonb,
    add column mark_sent_sha256 bytea,
    add column pending_sha256   bytea,
    add column accepted_at      timestamptz,
    add column settled_at       timestamptz,
    add column could_send       bigint,
    add column lookup_test      jsonb,
    add column lookup_controls  jsonb,
    add column open_count       bigint,
    add column open_groups      jsonb,
    add column open_at          timestamptz,
    add column written_off_at   timestamptz,
    add column written_off_by   text,
    add constraint runs_written_off_check check ((written_off_at is null) = (written_off_by is null));
comment on column {{.schema}}.runs.program is
    'the newest schema of a ledger that the program knows; null for those before version 1.0';
comment on column {{.schema}}.runs.job is
    'JOB_NAME: runs of one Job count as one where they are compared';
comment on column {{.schema}}.runs.identity is
    'of the database as the run saw it: system, database, ledger, timeline';
comment on column {{.schema}}.runs.settings is
    'a fingerprint of each setting that decides what is sent, to where, and what replies mean; no secrets';
comment on column {{.schema}}.runs.accepted_at is
    'when the first request of the run was accepted: its settings are not new any more';
comment on column {{.schema}}.runs.settled_at is
    'when the run settled its first delivery';
comment on column {{.schema}}.runs.could_send is
    'how many invoices it could have sent as it began';
comment on column {{.schema}}.runs.written_off_at is
    'when a later run, or a migrate, found that it had been killed; a run is unfinished that is neither finished nor written off';
create index runs_open_idx on {{.schema}}.runs (open_at) where open_at is not null;
create index runs_unfinished_idx on {{.schema}}.runs (number) where finished_at is null and written_off_at is null;

-- An older program computes keys, always of version 1. It looked at the schema's version as
-- it started, and may have waited for its run lock since. What raises a version sets
-- raised_at after it has locked the runs (share row exclusive) and found no older one unfinished.
create function {{.schema}}.refuse_older_program() returns trigger language plpgsql as $refuse_older_program$
begin
    if exists (select from {{.schema}}.ledger where raised_at is not null) then
        raise exception 'this ledger has keys that an older program does not know: run the newer program';
    end if;
    return new;
end
$refuse_older_program$;
create trigger runs_refuse_older_program before insert on {{.schema}}.runs
    for each row when (new.program is null)
    execute function {{.schema}}.refuse_older_program();

-- ---- reconciliations ----

create table {{.schema}}.reconciliations (
    reconciliation_id uuid        not null default gen_random_uuid(),
    made_at           timestamptz not null default now(),
    made_by           text        not null,
    file              text        not null,
    file_sha256       bytea       not null,
    since             timestamptz,
    until             timestamptz,
    decided           text,
    figures           jsonb       not null,
    constraint reconciliations_pkey primary key (reconciliation_id),
    constraint reconciliations_file_sha256_check check (octet_length(file_sha256) = 32),
    constraint reconciliations_decided_check check (decided in ('resolve', 'adopt'))
);
create index reconciliations_made_at_idx on {{.schema}}.reconciliations (made_at);
comment on column {{.schema}}.reconciliations.decided is
    'what it made sent: in doubt (resolve), or whatever the list has (adopt); null: it only compared';

---- create above / drop below ----

-- Going back is not offered: an older program would not know the states, the keys and the
-- hashes of what was written since.
do $back$ begin raise exception 'the ledger of version 1.0 can''t be taken back to an older schema'; end $back$;
