-- The history: what the ledger's one row for each delivery can't keep. A row for
-- each attempt that another one has superseded, as it was then, and a row for
-- each decision of a person. A delivery whose first attempt was accepted, as
-- nearly all are, has none.
-- {{.schema}} is LEDGER_SCHEMA, {{.key_type}} the type of the ledger's key.
create table {{.schema}}.history (
    invoice_id    {{.key_type}} not null,
    entry         bigint      not null generated always as identity,
    kind          text        not null,
    attempt       integer     not null,
    recorded_at   timestamptz not null default now(),
    state         text        not null,
    settled_at    timestamptz not null,
    first_sent_at timestamptz,
    body_sha256   bytea,
    doubtful      boolean,
    run_id        uuid,
    http_status   smallint,
    error         text,
    decision      text,
    decided_by    text,
    reason        text,
    constraint history_pkey primary key (invoice_id, entry),
    constraint history_attempt_check
        check (kind <> 'attempt' or (first_sent_at, body_sha256, doubtful, run_id) is not null),
    constraint history_decision_check
        check (kind <> 'decision' or (decision, decided_by, reason) is not null),
    constraint history_kind_check check (kind in ('attempt', 'decision'))
);
comment on table {{.schema}}.history is
    'attempts that another one has superseded, and the decisions of people; the last attempt is in deliveries';
comment on column {{.schema}}.history.recorded_at is
    'attempt: when the next one began; decision: when it was made';
comment on column {{.schema}}.history.state is
    'attempt: as the next one found it; decision: as the person found it';
comment on column {{.schema}}.history.settled_at is
    'when that state was written';

-- What people cancelled is final, and in no other index: it is counted by this.
create index history_cancelled_idx on {{.schema}}.history (recorded_at)
    where decision = 'cancelled';

-- A trigger, so that no statement that begins an attempt can forget it, and
-- what is kept is the row that was replaced, not one that was read before. The
-- settling of a delivery does not name the column, and so does not fire it
-- (manual, CREATE TRIGGER, UPDATE OF).
create function {{.schema}}.keep_attempt() returns trigger language plpgsql as $keep_attempt$
begin
    insert into {{.schema}}.history
        (invoice_id, kind, attempt, state, settled_at, first_sent_at, body_sha256, doubtful, run_id, http_status, error)
    values
        (old.invoice_id, 'attempt', old.attempt, old.state, old.updated_at, old.first_sent_at, old.body_sha256,
         old.doubtful, old.run_id, old.http_status, old.error);
    return null;
end
$keep_attempt$;
create trigger deliveries_keep_attempt after update of attempt on {{.schema}}.deliveries
    for each row when (old.attempt <> new.attempt)
    execute function {{.schema}}.keep_attempt();

---- create above / drop below ----

drop trigger deliveries_keep_attempt on {{.schema}}.deliveries;
drop function {{.schema}}.keep_attempt();
drop table {{.schema}}.history;
