package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// document is a page that is carried out as it stands, block by block: ```sql by
// the database, ```sh by bash, each in the environment that the one before left.
// ```text behind a block is what it prints: … stands for anything within a line,
// and alone for any lines.
type document struct {
	t       testing.TB
	path    string
	section string            // its heading; empty: the whole page
	url     string            // of the database
	replace map[string]string // what stands in the page, and what it is here
	env     []string          // NAME=value, of the first block
}

type block struct {
	line           int
	language, text string
}

func (d document) run() {
	d.t.Helper()
	page, err := os.ReadFile(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	text := section(string(page), d.section)
	for old, now := range d.replace {
		if !strings.Contains(text, old) {
			d.t.Errorf("%s does not speak of %s any more", d.path, old)
		}
		text = strings.ReplaceAll(text, old, now)
	}
	bash := d.newBash()
	printed, shown := "", true
	all := blocks(text)
	if len(all) == 0 {
		d.t.Fatalf("%s has no blocks", d.path)
	}
	for _, b := range all {
		switch b.language {
		case "": // for the reader
		case "sql":
			d.sql(b)
		case "sh":
			printed, shown = bash(b), false
			d.t.Logf("%s\n%s", b.text, printed)
		case "text":
			if shown {
				d.t.Fatalf("%s:%d: output of which command?", d.path, b.line)
			}
			shown = true
			if !outputPattern(b.text).MatchString(printed) {
				d.t.Fatalf("%s:%d: the page shows:\n%s\nit prints:\n%s", d.path, b.line, b.text, printed)
			}
		default:
			d.t.Fatalf("%s:%d: nobody carries out %q", d.path, b.line, b.language)
		}
	}
}

// section is the part of a page under a heading, in the lines where it stands; all of it
// where none is named.
func section(page, heading string) string {
	before, from, found := strings.Cut(page, "\n"+heading+"\n")
	if heading == "" || !found {
		return page
	}
	level, _, _ := strings.Cut(heading, " ")
	from, _, _ = strings.Cut(from, "\n"+level+" ")
	return strings.Repeat("\n", strings.Count(before, "\n")+2) + from
}

// blocks are the page's fenced blocks, in their order.
func blocks(page string) (all []block) {
	var open *block
	for n, line := range strings.Split(page, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{line: n + 1, language: fence}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil { // never closed: nothing of it would run
		open.language = "open end"
		all = append(all, *open)
	}
	return all
}

func outputPattern(shown string) *regexp.Regexp {
	const anything, anyLines = `[^\n]*`, `(?:[^\n]*\n)*?`
	var pattern strings.Builder
	for line := range strings.Lines(shown) {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(anyLines)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", anything))
	}
	return regexp.MustCompile(`\A` + pattern.String() + `\z`)
}

func (d document) sql(b block) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(d.t.Context()))
	if err := conn.PgConn().Exec(d.t.Context(), b.text).Close(); err != nil {
		d.t.Fatalf("%s:%d: %v", d.path, b.line, err)
	}
}

// newBash carries the environment from one block to the next.
func (d document) newBash() func(block) string {
	d.t.Helper()
	dir := d.t.TempDir()
	program, err := filepath.Abs(os.Args[0])
	if err = errors.Join(err, os.Symlink(program, filepath.Join(dir, "batch"))); err != nil {
		d.t.Fatal(err)
	}
	state := filepath.Join(dir, "environment")
	env := append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LOG_FORMAT=console", "LOG_LEVEL=info", asBatch+"=1")
	env = append(env, d.env...)
	return func(b block) string {
		d.t.Helper()
		script := "touch " + state + "; source " + state + "\n" + b.text + "\nexport -p > " + state
		cmd := exec.CommandContext(d.t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Env, cmd.Dir = env, dir
		printed, err := cmd.CombinedOutput()
		if err != nil {
			d.t.Fatalf("%s:%d: %v\n%s\n%s", d.path, b.line, err, b.text, printed)
		}
		return string(printed)
	}
}
