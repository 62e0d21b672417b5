package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// Each line of the runbook for the cluster is a command as the program has it.
func TestRunbookLinesAreCommands(t *testing.T) {
	t.Parallel()
	lines := regexp.MustCompile("`in_cluster ([^`]+)`").FindAllStringSubmatch(readPage(t, "docs/operations.md"), -1)
	seen := map[string]bool{}
	for _, line := range lines {
		var args []string
		for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line[1], -1) {
			args = append(args, strings.Trim(word, "'"))
		}
		seen[args[0]] = true
		var out bytes.Buffer
		// Flags are read in their order, so one that is unknown is met before help.
		code := run(t.Context(), append(args, "--help"), []string{"DATABASE_URL=postgres://127.0.0.1:1/x"}, &out, &out)
		if code != billing.ExitDone || !strings.Contains(out.String(), "batch "+args[0]) {
			t.Errorf("%s: exit code %d\n%s", line[1], code, out.String())
		}
	}
	for _, command := range []string{"status", "history", "resolve", "pause", "resume", "doctor", "run"} {
		if !seen[command] {
			t.Errorf("the runbook has no line for %s", command)
		}
	}
}
