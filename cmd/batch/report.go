package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"billonce/internal/billing"
)

// report says what the run came to: in the last log line, and where Kubernetes
// looks for it.
func (a app) report(view *terminal, c settings, log zerolog.Logger, s billing.Summary, code int) {
	if s.Err != nil {
		log.Error().Err(s.Err).Msg("the run was stopped")
	}
	if s.Unrendered > 0 {
		log.Warn().Int64("invoices", s.Unrendered).Msg("no request could be made of some invoices: see BILLING_URL and BILLING_BODY")
	}
	words := lastWords{&s, code, errorText(s.Err)}
	if err := words.leave(); err != nil {
		log.Warn().Err(err).Msg("the summary is not in " + terminationLog)
	}
	// The summary is said at every LOG_LEVEL.
	summary := log.Level(zerolog.InfoLevel)
	line := summary.Info()
	if !view.console {
		line = line.Int("exit_code", code).RawJSON("summary", words.text())
	}
	line.Msg(inWords(s, code))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// inWords is the summary as a person would say it.
func inWords(s billing.Summary, code int) string {
	parts := []string{fmt.Sprintf("%s sent", count(s.Sent))}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{s.Failed, "failed (the API refused them)"},
		{s.InDoubt, "in doubt"},
		{s.Retry, "to be tried again"},
		{s.HeldByOther, "held by others"},
		{s.Recovered, "recovered from a runner that died"},
		{int64(s.EarlierCancelled), "kept back: cancelled by a person"},
		{int64(s.AlreadySent), "pending again though sent: not sent twice"},
		{s.InvoiceGone, "deleted or taken back while being sent"},
		{s.Unrendered, "without a request"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(p.n), p.what))
		}
	}
	text := fmt.Sprintf("%s: %s in %s", verdict(s, code), strings.Join(parts, ", "), s.Elapsed.Round(time.Millisecond))
	if rate := float64(s.Sent) / max(s.Elapsed.Seconds(), 0.001); s.Sent > 0 {
		text += fmt.Sprintf(" (%s a second)", count(int64(rate)))
	}
	return text
}

func verdict(s billing.Summary, code int) string {
	switch {
	case s.Stopped == billing.StoppedByLimit:
		return "RUN_LIMIT reached"
	case s.Stopped == billing.StoppedByCanary:
		return "stopped: not all invoices of RUN_CANARY were accepted, and the rest was not sent"
	case s.Stopped != "":
		return fmt.Sprintf("stopped early (%s), the next run goes on", strings.ReplaceAll(string(s.Stopped), "_", " "))
	case code == billing.ExitStopped:
		return "done for now, the next run goes on"
	case code == billing.ExitPerson:
		return "done, and a person is needed (see `batch status`)"
	}
	return "done"
}

// count writes a number with thousands separated.
func count(n int64) string { return separated(fmt.Sprint(n)) }

func separated(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
