package compare

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/compare/report"
)

// timeline keeps the requests that the API has seen.
type timeline struct {
	mu      sync.Mutex
	at      map[attempt]*report.Event
	effects map[string]int
	began   time.Time
}

type attempt struct {
	invoice string
	number  int
}

func newTimeline() *timeline {
	return &timeline{at: map[attempt]*report.Event{}, effects: map[string]int{}, began: time.Now()}
}

func (t *timeline) since(at time.Time) float64 { return float64(at.Sub(t.began).Microseconds()) / 1e3 }

// arrived notes a request. Unless it turns out to have an effect it was one under
// a known key.
func (t *timeline) arrived(r billingfake.Received) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.since(r.At)
	t.at[attempt{r.Invoice, r.Attempt}] = &report.Event{
		Runner: r.Header.Get(serverHeader), Invoice: r.Invoice, FromMS: from, ToMS: from, Kind: report.Repeated,
	}
}

// acted notes an effect.
func (t *timeline) acted(r billingfake.Received) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.at[attempt{r.Invoice, r.Attempt}]
	if e == nil {
		return
	}
	e.ToMS, e.Kind = t.since(time.Now()), report.Billed
	t.effects[r.Invoice]++
	if t.effects[r.Invoice] > 1 {
		e.Kind = report.Twice
	}
}

// doubt marks the requests for invoices that are in doubt.
func (t *timeline) doubt(invoices []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for of, e := range t.at {
		if slices.Contains(invoices, of.invoice) {
			e.Kind = report.Doubtful
		}
	}
}

// events are in the order of their arrival, from the first one on.
func (t *timeline) events(began time.Time) []report.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	shift := t.since(began)
	all := []report.Event{}
	for _, e := range t.at {
		e := *e
		e.FromMS, e.ToMS = e.FromMS-shift, e.ToMS-shift
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b report.Event) int {
		return cmp.Or(cmp.Compare(a.FromMS, b.FromMS), cmp.Compare(a.Invoice, b.Invoice))
	})
	return all
}
