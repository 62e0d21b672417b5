package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

const progressInterval = 100 * time.Millisecond

// progress is how far a run is, on one line of a terminal that is drawn over and over.
type progress struct {
	total, done int64
	perSecond   float64 // of late; 0: not known yet
	pace        billing.PaceNow
	now         time.Time
}

// line is at most so many columns wide: what matters least is left out.
func (p progress) line(columns int) string {
	parts := []string{fmt.Sprintf("%s of %s (%d%%)", words.Count(p.done), words.Count(p.total), p.done*100/p.total)}
	if p.perSecond > 0 {
		left := time.Duration(float64(p.total-p.done) / p.perSecond * float64(time.Second))
		parts = append(parts, "done about "+doneAt(p.now, left))
	}
	if lowest := p.pace.Lowest; p.pace.Throttled > 0 {
		throttled := "throttled"
		if lowest != nil && lowest.PerSecond > 0 {
			throttled += " to " + words.Rate(lowest.PerSecond) + " a second"
		}
		parts = append(parts, throttled)
	}
	if p.perSecond > 0 {
		parts = append(parts, words.Rate(p.perSecond)+" a second now")
	}
	text := words.Cut(parts[0], columns)
	for _, part := range parts[1:] {
		if longer := text + ", " + part; words.Width(longer) <= columns {
			text = longer
		}
	}
	const most, least = 30, 10
	if bar := min(most, columns-words.Width(text)-len("[] ")); bar >= least {
		full := int(p.done * int64(bar) / p.total)
		text = "[" + strings.Repeat("█", full) + strings.Repeat(" ", bar-full) + "] " + text
	}
	return text
}

// doneAt is a time of day; with its date, if that is another day.
func doneAt(now time.Time, left time.Duration) string {
	const foreseeable = 1000 * time.Hour
	if left < 0 || left > foreseeable {
		return "in more than a month"
	}
	at := now.Add(left)
	if at.YearDay() != now.YearDay() {
		return at.Format("Jan 2 15:04")
	}
	return at.Format(time.TimeOnly)
}

// pacer says how many a second were done of late.
type pacer struct {
	at   []time.Time
	done []int64
}

// window is long enough for a wait that a 429 asks for.
const window = 10 * time.Second

func (p *pacer) perSecond(now time.Time, done int64) float64 {
	p.at, p.done = append(p.at, now), append(p.done, done)
	for len(p.at) > 2 && now.Sub(p.at[1]) > window {
		p.at, p.done = p.at[1:], p.done[1:]
	}
	const soonest = 500 * time.Millisecond
	took := now.Sub(p.at[0])
	if took < soonest {
		return 0
	}
	return float64(done-p.done[0]) / took.Seconds()
}

// showProgress draws how far the run is until close, on a terminal only.
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
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var drawing sync.WaitGroup
	var pace pacer
	drawing.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			done := min(tally.Sent.Load()+tally.Failed.Load()+tally.InDoubt.Load(), total)
			now := time.Now()
			t.draw(progress{total: total, done: done, perSecond: pace.perSecond(now, done), pace: tally.Pace.Now(now), now: now})
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

func (t *terminal) draw(p progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	columns := t.columns()
	t.clear()
	text := p.line(columns - 1) // a full line would wrap
	_, _ = fmt.Fprint(t.out, text)
	t.drawn = words.Width(text)
}

// clear takes the line away. A terminal that was narrowed since has wrapped it into
// several.
func (t *terminal) clear() {
	if t.drawn == 0 {
		return
	}
	up := ""
	if rows := (t.drawn - 1) / t.columns(); rows > 0 {
		up = fmt.Sprintf("\x1b[%dA", rows)
	}
	_, _ = fmt.Fprint(t.out, up+"\r\x1b[J")
	t.drawn = 0
}

// columns of the terminal; as many as usual where it doesn't say.
func (t *terminal) columns() int {
	const usual = 80
	if width := t.size(); width > 1 {
		return width
	}
	return usual
}

// close ends the drawing.
func (t *terminal) close() {
	if t.stop == nil {
		return
	}
	t.stop()
	t.stop = nil
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
}

// left is what a run leaves that ends at once.
func (t *terminal) left(tally *billing.Tally) string {
	if t.mu.TryLock() { // whoever has it may wait for a terminal that takes nothing
		defer t.mu.Unlock()
		t.clear()
	}
	n := tally.Pace.Now(time.Now()).InFlight
	if n == 0 {
		return "No request was in flight; the next `batch run` goes on"
	}
	return fmt.Sprintf("What became of %s in flight is not known: the next `batch run` finds out, or leaves as many in doubt", words.Plural(n, "request"))
}
