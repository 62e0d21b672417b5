// Package document carries out pages of the manual as they stand, for tests.
package document

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

// Document is a page that is carried out as it stands, block by block: ```sql by the
// database, ```sh by bash, each in the environment that the one before left. ```text behind
// a block is what it prints: … stands for anything within a line, and alone for any lines.
type Document struct {
	T        testing.TB
	Path     string
	Section  string            // its heading; empty: the whole page
	URL      string            // of the database
	Replace  map[string]string // what stands in the page, and what it is here
	Env      []string          // NAME=value, of the first block
	Programs map[string]string // what is called by these names, as paths
}

// Block is a fenced block of a page.
type Block struct {
	Line           int
	Language, Text string
}

// Run fails the test where a page shows what is not so.
func (d Document) Run() {
	d.T.Helper()
	page, err := os.ReadFile(d.Path)
	if err != nil {
		d.T.Fatal(err)
	}
	text := section(string(page), d.Section)
	for old, now := range d.Replace {
		if !strings.Contains(text, old) {
			d.T.Errorf("%s does not speak of %s any more", d.Path, old)
		}
		text = strings.ReplaceAll(text, old, now)
	}
	bash := d.newBash()
	printed, shown := "", true
	all := Blocks(text)
	if len(all) == 0 {
		d.T.Fatalf("%s has no blocks", d.Path)
	}
	for _, b := range all {
		switch b.Language {
		case "": // for the reader
		case "sql":
			d.sql(b)
		case "sh":
			printed, shown = bash(b), false
			d.T.Logf("%s\n%s", b.Text, printed)
		case "text":
			if shown {
				d.T.Fatalf("%s:%d: output of which command?", d.Path, b.Line)
			}
			shown = true
			if !outputPattern(b.Text).MatchString(printed) {
				d.T.Fatalf("%s:%d: the page shows:\n%s\nit prints:\n%s", d.Path, b.Line, b.Text, printed)
			}
		default:
			d.T.Fatalf("%s:%d: nobody carries out %q", d.Path, b.Line, b.Language)
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

// Blocks are the page's fenced blocks, in their order.
func Blocks(page string) (all []Block) {
	var open *Block
	for n, line := range strings.Split(page, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &Block{Line: n + 1, Language: fence}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.Text += line + "\n"
		}
	}
	if open != nil { // never closed: nothing of it would run
		open.Language = "open end"
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

func (d Document) sql(b Block) {
	d.T.Helper()
	conn, err := pgx.Connect(d.T.Context(), d.URL)
	if err != nil {
		d.T.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(d.T.Context())) }()
	if err := conn.PgConn().Exec(d.T.Context(), b.Text).Close(); err != nil {
		d.T.Fatalf("%s:%d: %v", d.Path, b.Line, err)
	}
}

// newBash carries the environment from one block to the next.
func (d Document) newBash() func(Block) string {
	d.T.Helper()
	dir := d.T.TempDir()
	for name, program := range d.Programs {
		program, err := filepath.Abs(program)
		if err = errors.Join(err, os.Symlink(program, filepath.Join(dir, name))); err != nil {
			d.T.Fatal(err)
		}
	}
	state := filepath.Join(dir, "environment")
	env := append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	env = append(env, d.Env...)
	return func(b Block) string {
		d.T.Helper()
		script := "touch " + state + "; source " + state + "\n" + b.Text + "\nexport -p > " + state
		cmd := exec.CommandContext(d.T.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Env, cmd.Dir = env, dir
		printed, err := cmd.CombinedOutput()
		if err != nil {
			d.T.Fatalf("%s:%d: %v\n%s\n%s", d.Path, b.Line, err, b.Text, printed)
		}
		return string(printed)
	}
}
