package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/words"
)

// Control sequences (ECMA-48): the cursor goes home, each line is cleared to
// its end, and what is left below at last. So nothing flickers.
const (
	cursorHome   = "\x1b[H"
	clearLine    = "\x1b[K\n"
	clearBelow   = "\x1b[J"
	clearAndHome = "\x1b[2J" + cursorHome
)

// watch shows a page in place, again and again, until it is interrupted, which is no
// error. The database may be away for a while: the last page stays, and says so.
func watch(ctx context.Context, out io.Writer, every time.Duration, size func() (width, height int), read func() (string, error)) error {
	begin, last, lastAt := clearAndHome, "", time.Time{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		page, err := read()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && last == "":
			return err
		case err != nil:
			page = fmt.Sprintf("As of %s; looking again: %s\n%s", lastAt.Format(time.TimeOnly), words.OneLine(err.Error()), last)
		default:
			last, lastAt = page, time.Now()
		}
		width, height := size()
		fmt.Fprint(out, begin, strings.ReplaceAll(fit(page, width, height), "\n", clearLine), clearBelow)
		begin = cursorHome
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// fit cuts a page to a terminal's size: a line that wraps, or one too many, would
// scroll the page away from where the next one is written.
func fit(page string, width, height int) string {
	if width <= 0 || height <= 1 {
		return page
	}
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	if most := height - 1; len(lines) > most { // the cursor stands below the last line
		more := fmt.Sprintf("… %d more lines: make the terminal higher, or run `batch status`", len(lines)-most+1)
		lines = append(lines[:most-1:most-1], more)
	}
	return cutLines(strings.Join(lines, "\n"), width) + "\n"
}

// cutLines cuts each line to a terminal's width; 0: it is not known.
func cutLines(page string, width int) string {
	if width <= 0 {
		return page
	}
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		lines[i] = words.Cut(line, width)
	}
	return strings.Join(lines, "\n")
}
