package web

import (
	"fmt"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// progress is how far the run is that is under way.
type progress struct {
	Done, Whole int64 // invoices
	Since       string
	Pace        string // empty: not known yet
	Throttled   bool   // the API has asked for a slower pace within paceSpan
}

// tracker reckons progress and pace of how what is left becomes less while somebody looks:
// the ledger counts what a run has sent only as it ends.
type tracker struct {
	mu    sync.Mutex
	run   string
	first desk.Status
	seen  []desk.Status

	throttled time.Time // when it was last seen that the API asks for a slower pace
}

// paceSpan is how far back the pace looks.
const paceSpan = time.Minute

// left is how many invoices a run has still to send: what is open waits for a person.
func left(st desk.Status) int64 {
	return max(0, st.Pending-st.Deliveries[billing.InDoubt]-st.Deliveries[billing.Failed])
}

// add returns nil where no run is under way.
func (t *tracker) add(st desk.Status) *progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	run := underWay(st)
	if run == "" {
		t.run, t.seen, t.throttled = "", nil, time.Time{}
		return nil
	}
	if run != t.run || left(st) > left(t.first) {
		t.run, t.first, t.seen = run, st, nil
	}
	if st.Throttled > 0 {
		t.throttled = st.At
	}
	t.seen = append(t.seen, st)
	for st.At.Sub(t.seen[0].At) > paceSpan {
		t.seen = t.seen[1:]
	}
	p := &progress{Done: left(t.first) - left(st), Whole: left(t.first), Since: "since " + clock(t.first.At), Pace: pace(t.seen[0], st)}
	if !st.Estimated {
		p.Done, p.Whole, p.Since = st.SentToday, st.SentToday+left(st), "today"
	}
	p.Throttled = st.At.Sub(t.throttled) <= paceSpan
	return p
}

// underWay is the youngest run that is at work; empty: none is.
func underWay(st desk.Status) string {
	for _, r := range st.Runs {
		if r.Alive {
			return r.ID
		}
	}
	return ""
}

func pace(before, now desk.Status) string {
	took, done := now.At.Sub(before.At), left(before)-left(now)
	if took <= 0 || done <= 0 {
		return ""
	}
	perSecond := float64(done) / took.Seconds()
	until := time.Duration(float64(left(now)) / perSecond * float64(time.Second))
	rate := words.Count(int64(perSecond + 0.5))
	if perSecond < 10 {
		rate = fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%s a second; done about %s", rate, clock(now.At.Add(until)))
}
