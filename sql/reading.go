package sql

// BeginLooking begins the second look's transaction: its statements have one snapshot,
// which is younger than the invoices' locks.
const BeginLooking = "begin isolation level repeatable read"

// ByIndex keeps the planner to indexes, in a transaction in which the user's SQL fails on
// some row: it is tried on no more rows than an index leads to. Where there is none, what
// the planner is kept from costs more than jit_above_cost, and compiling takes far longer
// than a small table does.
const ByIndex = "select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"

// ValueSettings are what values.sql is read under, whatever the role, the database or
// the environment has set: the same values make the same request. Local: through a
// transaction pooler a plain SET would stay behind for the next client. A view's
// expressions would change their meaning with the time zone: it keeps the role's.
const ValueSettings = `select set_config('TimeZone', 'UTC', true),
       set_config('DateStyle', 'ISO', true),
       set_config('IntervalStyle', 'postgres', true),
       set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true),
       set_config('client_encoding', 'UTF8', true)`
