// Command mutants applies known mistakes, one at a time, and runs the test that
// must catch each: a test that can't fail protects nothing.
//
//	mutants             all of them
//	mutants 'look|key'  those whose names match
//
// Beside each stands the test that caught it, and below it what that said.
// The exit code is 1 if a mutant survives, or if its test fails for another
// reason.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	testTimeout = "5m"  // of one test: a mutant may make it hang; some build a program first
	allTimeout  = "30m" // of all tests of a package
)

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt)
	defer release()
	pattern := ""
	if len(os.Args) > 1 {
		pattern = os.Args[1]
	}
	survived, err := run(ctx, pattern, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, pattern string, out io.Writer) (survived int, err error) {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return 0, err
	}
	root, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	all := slices.DeleteFunc(mutants(), func(m mutant) bool { return !wanted.MatchString(m.name) })
	if err := unchanged(ctx, all, out); err != nil {
		return 0, err
	}
	for _, m := range all {
		began := time.Now()
		caught, said, err := m.try(ctx, root)
		if err != nil {
			return survived, fmt.Errorf("%s: %w", m.name, err)
		}
		if !caught {
			survived++
		}
		fmt.Fprintf(out, "%-66s %5.1fs  %s\n    %s\n", m.name, time.Since(began).Seconds(), m.test, said)
	}
	fmt.Fprintf(out, "%d of %d mutants were caught\n", len(all)-survived, len(all))
	return survived, nil
}

// unchanged runs the tests without any mistake: they must pass.
func unchanged(ctx context.Context, all []mutant, out io.Writer) error {
	began := time.Now()
	tests := make(map[string][]string)
	for _, m := range all {
		tests[m.where] = append(tests[m.where], m.test)
	}
	for where, names := range tests {
		if text, err := test(ctx, where, strings.Join(names, "|"), allTimeout, os.Environ()); err != nil {
			return fmt.Errorf("without any mutant: %w\n%s", err, text)
		}
	}
	fmt.Fprintf(out, "%-66s %5.1fs\n", "without any mutant all these tests pass", time.Since(began).Seconds())
	return nil
}

// try says whether the test failed for the right reason, and in which words.
func (m mutant) try(ctx context.Context, root string) (caught bool, said string, err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return false, "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return false, "", err
	}
	text, err := test(ctx, m.where, m.test, testTimeout, environment(overlay))
	switch {
	case ctx.Err() != nil:
		return false, "", context.Cause(ctx)
	case err == nil:
		return false, "SURVIVED: the test passes", nil
	}
	if said := lineWith(m.says, text); said != "" && strings.Contains(text, "--- FAIL: ") {
		return true, said, nil
	}
	return false, fmt.Sprintf("FAILED, but did not say %q:\n%s", m.says, beginning(text)), nil
}

// beginning is enough to see what happened.
func beginning(text string) string {
	const most = 40
	lines := strings.SplitAfterN(text, "\n", most+1)
	return strings.Join(lines[:min(most, len(lines))], "")
}

// lineWith returns the first line of text that matches.
func lineWith(pattern, text string) string {
	wanted := regexp.MustCompile(pattern)
	for line := range strings.Lines(text) {
		if wanted.MatchString(line) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func test(ctx context.Context, where, name, timeout string, env []string) (string, error) {
	c := exec.CommandContext(ctx, "go", "test", "-vet=off", "-ldflags=-w", "-count=1", "-timeout="+timeout, "-run", name, "./"+where)
	c.Env = env
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // go test passes it on
	c.WaitDelay = 10 * time.Second
	text, err := c.CombinedOutput()
	return string(text), err
}
