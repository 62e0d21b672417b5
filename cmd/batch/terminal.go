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
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

const progressInterval = 100 * time.Millisecond

// terminal is where a run speaks: JSON lines in a pod; on a terminal words, and
// a progress bar that log lines don't tear.
type terminal struct {
	out     io.Writer
	isTerm  bool
	console bool

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	stop func()
}

func newTerminal(out io.Writer, c settings) *terminal {
	t := &terminal{out: out, isTerm: isTerminal(out)}
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

// Write keeps log lines and the bar apart.
func (t *terminal) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		_ = t.bar.Clear()
	}
	return t.out.Write(line)
}

// showProgress draws a bar until close, on a terminal only.
func (t *terminal) showProgress(ctx context.Context, countPending func(context.Context) (int64, error), tally *billing.Tally, limit int) error {
	if !t.isTerm {
		return nil
	}
	total, err := countPending(ctx)
	if err != nil {
		return fmt.Errorf("count pending invoices: %w", err)
	}
	if limit > 0 {
		total = min(total, int64(limit))
	}
	if total == 0 {
		return nil
	}
	t.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription("sending invoices"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("invoices"),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			t.draw(tally, total)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	t.stop = func() { cancel(); drawing.Wait() }
	return nil
}

func (t *terminal) draw(tally *billing.Tally, total int64) {
	done := tally.Sent.Load() + tally.Failed.Load() + tally.InDoubt.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.bar.Set64(min(done, total-1)) // the last step would end the bar's line
}

// close ends the bar.
func (t *terminal) close() {
	if t.stop == nil {
		return
	}
	t.stop()
	t.stop = nil
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.bar.Clear()
	t.bar = nil
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
	if f, ok := out.(*os.File); ok && isTerminal(out) {
		width, _, err := term.GetSize(int(f.Fd()))
		if err == nil {
			return width
		}
	}
	width, err := strconv.Atoi(a.getenv("COLUMNS"))
	if err != nil || width < 0 {
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
