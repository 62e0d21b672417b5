-- The ledger: one row for each delivery, and one for each run. The user's own
-- table is never altered. {{.schema}} is LEDGER_SCHEMA, {{.key_type}} the type
-- of the invoices' key.

-- The ledger's identity. Idempotency keys are derived from it and from the
-- invoice, so that two ledgers never share a key; it never changes.
create table {{.schema}}.ledger (
    id         uuid        not null default gen_random_uuid(),
    made_at    timestamptz not null default now(),
    only_row   boolean     not null default true,
    constraint ledger_pkey primary key (only_row),
    constraint ledger_only_row_check check (only_row)
);
insert into {{.schema}}.ledger default values;

create table {{.schema}}.runs (
    run_id        uuid        not null,
    number        bigint      not null generated always as identity,
    name          text        not null,
    lock_strategy text        not null,
    run_lock      text        not null,
    application   text        not null,
    version       text        not null,
    started_at    timestamptz not null default now(),
    finished_at   timestamptz,
    exit_code     smallint,
    summary       jsonb,
    constraint runs_pkey primary key (run_id)
);
comment on column {{.schema}}.runs.number is
    'the order in which runs were recorded, whatever the clock says';
create index runs_started_at_idx on {{.schema}}.runs (started_at);

-- The primary key is the fence: whatever happens to the locks, an invoice has
-- one delivery. No foreign key to the invoices: it would lock the user's rows,
-- and a deleted invoice must not take the record of its sending with it.
create table {{.schema}}.deliveries (
    invoice_id      {{.key_type}} not null,
    idempotency_key uuid        not null,
    body_sha256     bytea       not null,
    run_id          uuid        not null,
    attempt         integer     not null,
    run_attempt     integer     not null,
    first_sent_at   timestamptz not null,
    deadline_at     timestamptz not null,
    updated_at      timestamptz not null,
    due_at          timestamptz,
    doubtful        boolean     not null default false,
    http_status     smallint,
    state           text        not null,
    error           text,
    open_state      text        generated always as
        (case when state in ('retry', 'failed', 'in_doubt') then state end) stored,
    constraint deliveries_pkey primary key (invoice_id),
    constraint deliveries_state_check
        check (state in ('sending', 'sent', 'failed', 'retry', 'in_doubt', 'cancelled')),
    constraint deliveries_attempt_check check (attempt >= 1 and run_attempt >= 0),
    constraint deliveries_body_sha256_check check (octet_length(body_sha256) = 32),
    constraint deliveries_due_at_check check ((state = 'retry') = (due_at is not null))
)
-- Every delivery is written twice: as `sending`, then as `sent`. Room is left on
-- its page for the second one, which then needs no entry in any index and little
-- WAL (manual, Heap-Only Tuples). That holds as long as no indexed column changes
-- on that way: so no index may name state or updated_at, not even in its WHERE.
with (fillfactor = 50);
comment on column {{.schema}}.deliveries.deadline_at is
    'after this, no request of the last attempt can still be on its way';
comment on column {{.schema}}.deliveries.doubtful is
    'an attempt may have had its effect: nothing but the same request under the same key may follow';
comment on column {{.schema}}.deliveries.first_sent_at is
    'when the oldest attempt was recorded that may have had its effect: the age of the key';
comment on column {{.schema}}.deliveries.open_state is
    'the state, where a run or a person has still to look at the delivery: for the index';

-- What needs a look is found without reading what is done.
create index deliveries_open_idx on {{.schema}}.deliveries (open_state)
    where open_state is not null;

---- create above / drop below ----

drop table {{.schema}}.deliveries;
drop table {{.schema}}.runs;
drop table {{.schema}}.ledger;
