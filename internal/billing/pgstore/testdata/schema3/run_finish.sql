update {{.Schema}}.runs
set finished_at = now(), exit_code = $2, summary = $3
where run_id = $1
