-- What the API calls the invoice: the id that its reply gave (BILLING_REPLY_ID), for
-- people who look into its books. Adding a column without a default rewrites nothing.
alter table {{.schema}}.deliveries add column reply_id text;
comment on column {{.schema}}.deliveries.reply_id is
    'the id that the API gave in its reply, where BILLING_REPLY_ID asks for it';

---- create above / drop below ----

alter table {{.schema}}.deliveries drop column reply_id;
