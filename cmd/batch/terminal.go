// Words for people are chosen by the rules in package words.

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/words"
)

// terminal is where a run speaks: JSON lines in a pod; on a terminal words, and
// and how far the run is, which log lines don't tear.
type terminal struct {
	out     io.Writer
	isTerm  bool
	console bool

	size func() (columns int) // 0: not known

	mu    sync.Mutex
	drawn int // columns of the line that shows how far the run is; 0: there is none
	stop  func()
}

func newTerminal(out io.Writer, c settings) *terminal {
	t := &terminal{out: out, isTerm: isTerminal(out), size: func() int { return columnsOf(out) }}
	t.console = c.LogFormat == "console" || (c.LogFormat == "auto" && t.isTerm)
	return t
}

func (t *terminal) logger(c settings) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	var out io.Writer = t
	if t.console {
		out = zerolog.ConsoleWriter{Out: t, TimeFormat: time.TimeOnly, NoColor: !t.isTerm, FieldsExclude: []string{"run_id"}}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// Write keeps log lines apart from the line that shows how far the run is.
func (t *terminal) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	return t.out.Write(line)
}

// colors says whether out shows them, and its reader wants them
// (https://no-color.org).
func (a app) colors(out io.Writer) bool {
	return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && isTerminal(out)
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// people is out for a page that people read: on a terminal its lines are folded, as a
// terminal breaks them in the middle of words.
func (a app) people(out io.Writer) io.Writer {
	if width := a.widthOf(out); width > 0 {
		return &folder{out: out, width: width}
	}
	return out
}

// folder folds each line once it is whole.
type folder struct {
	out   io.Writer
	width int
	line  []byte
}

func (f *folder) Write(text []byte) (int, error) {
	f.line = append(f.line, text...)
	for {
		line, rest, whole := bytes.Cut(f.line, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if _, err := fmt.Fprintln(f.out, words.Fold(string(line), f.width)); err != nil {
			return 0, err
		}
		f.line = rest
	}
}

// terminalSize is 0, 0 where it is not known.
func terminalSize() (width, height int) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// widthOf is how many columns a command's output has; 0: any number, as for a file. Who
// reads through a pipe says it by COLUMNS.
func (a app) widthOf(out io.Writer) int {
	if width := columnsOf(out); width > 0 {
		return width
	}
	width, err := strconv.Atoi(a.getenv("COLUMNS"))
	if err != nil || width < 0 {
		return 0
	}
	return width
}

// columnsOf is 0 where out is no terminal, or does not say.
func columnsOf(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// confirm waits for a typed yes. The reading can't be cancelled; the program
// ends without it.
func confirm(ctx context.Context, in io.Reader) error {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		if line == "yes" {
			return nil
		}
	case <-ctx.Done():
	}
	return usage(errors.New("not confirmed: nothing was changed"))
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
