package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// Each line of the runbook for the cluster is a command as the program has it.
func TestRunbookLinesAreCommands(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/operations.md")
	var lines [][]string
	for _, line := range regexp.MustCompile("`in_cluster ([^`]+)`").FindAllStringSubmatch(page, -1) {
		var args []string
		for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line[1], -1) {
			args = append(args, strings.Trim(word, "'"))
		}
		lines = append(lines, args)
	}
	whole := regexp.MustCompile(`(?m)^kubectl -n billonce create job (\S+) .*"args":(\[[^]]*\])`).FindAllStringSubmatch(page, -1)
	for _, line := range whole {
		var args []string
		if err := json.Unmarshal([]byte(line[2]), &args); err != nil || args[0] != line[1] {
			t.Errorf("%v: %s", err, line[0])
		}
		lines = append(lines, args)
	}
	if len(whole) < 4 {
		t.Errorf("%d lines to copy, want one for status, resolve, pause and doctor", len(whole))
	}
	seen := map[string]bool{}
	for _, args := range lines {
		seen[args[0]] = true
		var out bytes.Buffer
		// Flags are read in their order, so one that is unknown is met before help.
		code := run(t.Context(), append(args, "--help"), []string{"DATABASE_URL=postgres://127.0.0.1:1/x"}, &out, &out)
		if code != billing.ExitDone || !strings.Contains(out.String(), "batch "+args[0]) {
			t.Errorf("%q: exit code %d\n%s", args, code, out.String())
		}
	}
	for _, command := range []string{"status", "history", "resolve", "pause", "resume", "doctor", "run"} {
		if !seen[command] {
			t.Errorf("the runbook has no line for %s", command)
		}
	}
}
