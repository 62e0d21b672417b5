-- Purpose: the demo's table, where there is none.
-- Locks: none that matter: the table is new.
create table if not exists invoices (
    id           bigint      generated always as identity,
    customer     text        not null,
    amount_cents bigint      not null,
    currency     char(3)     not null,
    due_date     date        not null,
    pending      boolean     not null default true,
    sent_at      timestamptz,
    constraint invoices_pkey primary key (id)
);
create index if not exists invoices_pending_idx on invoices (id) where pending;
