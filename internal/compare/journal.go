package compare

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"billonce/internal/billing/billingfake"
	"billonce/internal/compare/report"
)

// journal keeps the requests that the API has seen, for the timeline.
type journal struct {
	mu      sync.Mutex
	at      map[attempt]*report.Event
	effects map[string]int
	began   time.Time
}

type attempt struct {
	invoice string
	number  int
}

func newJournal() *journal {
	return &journal{at: map[attempt]*report.Event{}, effects: map[string]int{}, began: time.Now()}
}

func (j *journal) since(at time.Time) float64 { return float64(at.Sub(j.began).Microseconds()) / 1e3 }

// arrived notes a request. Unless it turns out to have an effect it was one under
// a known key.
func (j *journal) arrived(r billingfake.Received) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.since(r.At)
	j.at[attempt{r.Invoice, r.Attempt}] = &report.Event{
		Runner: r.Header.Get(serverHeader), Invoice: r.Invoice, FromMS: from, ToMS: from, Kind: report.Repeated,
	}
}

// acted notes an effect.
func (j *journal) acted(r billingfake.Received) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.at[attempt{r.Invoice, r.Attempt}]
	if e == nil {
		return
	}
	e.ToMS, e.Kind = j.since(time.Now()), report.Billed
	j.effects[r.Invoice]++
	if j.effects[r.Invoice] > 1 {
		e.Kind = report.Twice
	}
}

// events are in the order of their arrival, from the first one on.
func (j *journal) events(began time.Time) []report.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	shift := j.since(began)
	all := []report.Event{}
	for _, e := range j.at {
		e := *e
		e.FromMS, e.ToMS = e.FromMS-shift, e.ToMS-shift
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b report.Event) int {
		return cmp.Or(cmp.Compare(a.FromMS, b.FromMS), cmp.Compare(a.Invoice, b.Invoice))
	})
	return all
}
