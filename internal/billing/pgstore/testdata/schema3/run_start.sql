insert into {{.Schema}}.runs (run_id, name, lock_strategy, run_lock, application, version)
values ($1, $2, $3, $4, $5, $6)
on conflict (run_id) do nothing
