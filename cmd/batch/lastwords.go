package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// terminationLog is where Kubernetes looks for a container's last words.
	terminationLog = "/dev/termination-log"
	// terminationMax is where it cuts them off, which would leave no JSON.
	terminationMax = 4096
)

// lastWords are what a run leaves behind: its summary, or why there is none.
type lastWords struct {
	*billing.Summary
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error,omitempty"`
}

// text is JSON that Kubernetes does not cut off.
func (w lastWords) text() []byte {
	for {
		text, err := json.Marshal(w)
		if err != nil {
			return fmt.Appendf(nil, `{"exit_code":%d}`, w.ExitCode)
		}
		if len(text) <= terminationMax || w.Error == "" {
			return text
		}
		w.Error = shortened(w.Error)
	}
}

func shortened(text string) string {
	end := len(text) / 2
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	if end < len("…") {
		return ""
	}
	return strings.TrimSuffix(text[:end], "…") + "…"
}

// leave writes them where Kubernetes looks, if this is a pod.
func (w lastWords) leave() error {
	if _, err := os.Stat(terminationLog); err != nil {
		return nil
	}
	return os.WriteFile(terminationLog, w.text(), 0o600)
}

// lastError says why there is no summary. In a log of JSON lines it is one too;
// else it is left to main.
func lastError(view *terminal, log zerolog.Logger, code int, err error) error {
	if werr := (lastWords{nil, code, err.Error()}).leave(); werr != nil {
		log.Warn().Err(werr).Msg("can't write the error to " + terminationLog)
	}
	if view.console {
		return err
	}
	log.Error().Str("event", "run_ended").Err(err).Int("exit_code", code).Msg("the run could not go on")
	return nil
}

// refuse is lastError where the configuration is not to be had, and with it the
// log's format: JSON only if that is said outright.
func (a app) refuse(err error) error {
	code := exitCodeOf(err)
	_ = lastWords{nil, code, err.Error()}.leave() // it is said below, in any case
	if format, _ := a.env("LOG_FORMAT"); !strings.EqualFold(format, "json") {
		return err
	}
	log := a.named(zerolog.New(a.stderr).With().Timestamp(), settings{})
	log.Error().Str("event", "run_ended").Err(err).Int("exit_code", code).Msg("the run could not start")
	return &exitError{code: code}
}

// named gives every line the names under which Kubernetes knows the runner.
func (a app) named(log zerolog.Context, c settings) zerolog.Logger {
	for _, name := range []struct{ field, value string }{
		{"pod", c.PodName}, {"node", c.NodeName}, {"job", c.JobName}, {"completion_index", a.getenv("JOB_COMPLETION_INDEX")},
	} {
		if name.value != "" {
			log = log.Str(name.field, name.value)
		}
	}
	return log.Logger()
}
