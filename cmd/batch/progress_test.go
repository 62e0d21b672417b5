package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Whatever a terminal's width, how far the run is fits in, and what matters least is left out.
func TestProgressFits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	p := progress{total: 4000, done: 1000, perSecond: 25, now: now, pace: billing.PaceNow{Throttled: 3, Lowest: &billing.LowestPace{PerSecond: 9}}}
	for columns, want := range map[int]string{
		120: "[███████                       ] 1,000 of 4,000 (25%), done about Mar 2 00:01, throttled to 9 a second, 25 a second now",
		79:  "1,000 of 4,000 (25%), done about Mar 2 00:01, throttled to 9 a second",
		50:  "1,000 of 4,000 (25%), done about Mar 2 00:01",
		15:  "1,000 of 4,000…",
	} {
		if got := p.line(columns); got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	for columns := 1; columns < 150; columns++ {
		if got := words.Width(p.line(columns)); got > columns {
			t.Errorf("%d columns take %d", columns, got)
		}
	}
	if got := (progress{total: 1, now: now}).line(20); got != "0 of 1 (0%)" {
		t.Errorf("at first: %q", got)
	}
}

// A terminal that was narrowed has wrapped the line: all of its rows are taken away.
func TestProgressSurvivesNarrowing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	columns := 100
	term := &terminal{out: &out, size: func() int { return columns }}
	term.draw(progress{total: 10, done: 5, perSecond: 1, now: time.Unix(0, 0)})
	wide := words.Width(out.String())
	columns = 20
	out.Reset()
	term.draw(progress{total: 10, done: 5, perSecond: 1, now: time.Unix(0, 0)})
	if want := "\x1b[4A\r\x1b[J5 of 10 (50%)"; wide <= 60 || out.String() != want {
		t.Errorf("after %d columns: %q, want %q", wide, out.String(), want)
	}
	out.Reset()
	if _, err := term.Write([]byte("a line of the log\n")); err != nil || out.String() != "\r\x1b[Ja line of the log\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

// The pace is that of late, whatever came before a wait.
func TestPaceOfLate(t *testing.T) {
	t.Parallel()
	var p pacer
	began := time.Unix(0, 0)
	if got := p.perSecond(began, 0); got != 0 {
		t.Errorf("at once: %g", got)
	}
	var got float64
	for second := range 40 {
		done := int64(100 * second)
		if second > 10 {
			done = 1000 + 2*int64(second-10)
		}
		got = p.perSecond(began.Add(time.Duration(second)*time.Second), done)
	}
	if got != 2 || len(p.at) > 12 {
		t.Errorf("%g a second, by %d looks", got, len(p.at))
	}
}

// A second signal says how many requests it leaves.
func TestSecondSignalSaysWhatItLeaves(t *testing.T) {
	t.Parallel()
	last := &lastWord{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), lastWordKey{}, last))
	defer cancel()
	tally := &billing.Tally{}
	term := &terminal{out: &bytes.Buffer{}, size: func() int { return 80 }}
	if !strings.Contains(last.text(), "batch status") {
		t.Error(last.text())
	}
	onSecondSignal(ctx, func() string { return term.left(tally) })
	for n, want := range map[int]string{0: "No request was in flight", 1: "1 request in flight", 7: "7 requests in flight is not known"} {
		tally.Pace.InFlight(n, 10)
		if !strings.Contains(last.text(), want) {
			t.Errorf("%d: %s", n, last.text())
		}
	}
}
