package main

import (
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// reportEnd says what the run came to: in the last log line, and where Kubernetes
// looks for it.
func reportEnd(view *terminal, log zerolog.Logger, s billing.Summary, code int) {
	if s.Err != nil {
		log.Error().Err(s.Err).Msg("the run was stopped by an error")
	}
	if s.Unrendered > 0 {
		log.Warn().Int64("invoices", s.Unrendered).Msg("some invoices are set aside: their requests can't be built, or SQL fails on their rows; `batch status --open` says which and why")
	}
	words := lastWords{&s, code, errorText(s.Err)}
	if err := words.leave(); err != nil {
		log.Warn().Err(err).Msg("can't write the summary to " + terminationLog)
	}
	// The summary is said at every LOG_LEVEL.
	summary := log.Level(zerolog.InfoLevel)
	line := summary.Info()
	if s.Open > 0 {
		line = summary.Warn()
	}
	if !view.console {
		line = line.Str("event", "run_ended").Int("exit_code", code).RawJSON("summary", words.text())
	}
	line.Msg(desk.InWords(s, code))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
