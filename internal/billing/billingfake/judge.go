package billingfake

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// Counts are the judge's totals.
type Counts struct {
	Requests    int `json:"requests"`      // complete ones, for an effect: no look-ups
	Effects     int `json:"effects"`       // invoices billed, each time they were
	Replays     int `json:"replays"`       // repeats of a key: the stored reply, no effect
	Conflicts   int `json:"conflicts"`     // repeats while the first was at work (409)
	Mismatches  int `json:"mismatches"`    // repeats with another invoice or body (422)
	BadKeys     int `json:"bad_keys"`      // missing, in the wrong place, or too long (400)
	Throttled   int `json:"throttled"`     // turned away by a limit, look-ups too
	Submitted   int `json:"submitted"`     // taken with a 202, to act later
	Rejected    int `json:"rejected"`      // refused, at once or later
	Lookups     int `json:"lookups"`       // questions whether an invoice was billed
	Followed    int `json:"followed"`      // requests that a redirect led to
	Incomplete  int `json:"incomplete"`    // broke off before the body's end: not in requests
	Unrouted    int `json:"unrouted"`      // without an invoice's id: not in requests
	MaxInFlight int `json:"max_in_flight"` // at the same time
}

// Summary is the judge's view as JSON shows it.
type Summary struct {
	Counts
	Invoices   int            `json:"invoices"` // with at least one request
	Billed     int            `json:"billed"`   // with at least one effect
	Duplicates []Duplicate    `json:"duplicates"`
	Faults     map[string]int `json:"faults"`
}

// Duplicate is an invoice that was billed more than once.
type Duplicate struct {
	Invoice string `json:"invoice"`
	Effects int    `json:"effects"`
}

// Record is what the judge knows about one invoice.
type Record struct {
	Invoice  string `json:"invoice"`
	Requests int    `json:"requests"`
	Effects  int    `json:"effects"`
	Lookups  int    `json:"lookups"`
	Replays  int    `json:"replays"`
	Followed int    `json:"followed"`
	// Overlaps counts requests that came while another one for the same invoice
	// was in flight. One whose client has left is in flight until it is done.
	Overlaps int         `json:"overlaps"`
	PerKey   []KeyRecord `json:"per_key"` // one for each of Keys
	Keys     []string    `json:"keys"`    // distinct, as they came
	Bodies   []string    `json:"bodies"`  // distinct, as they came: SHA-256 in hex
	Kept     [][]byte    `json:"-"`       // each request's body, with Config.KeepBodies
	First    time.Time   `json:"first,omitzero"`
	Last     time.Time   `json:"last,omitzero"`
}

// KeyRecord is what the judge knows about one key of an invoice.
type KeyRecord struct {
	Key      string `json:"key"`
	Requests int    `json:"requests"`
	Effects  int    `json:"effects"`
}

// Counts returns all totals, of one instant.
func (a *API) Counts() Counts {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	return a.ledger.counts
}

// Requests is how many requests for an effect have arrived.
func (a *API) Requests() int { return a.Counts().Requests }

// Effects is how many times any invoice was billed.
func (a *API) Effects() int { return a.Counts().Effects }

// MaxInFlight is how many requests were in flight at the same time. One whose
// client has left counts until it is done: compare it with a runner's
// concurrency only where no request times out.
func (a *API) MaxInFlight() int { return a.Counts().MaxInFlight }

// Invoice returns the record of an invoice, a zero one if it was never seen.
func (a *API) Invoice(id string) Record {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	if e := a.ledger.invoices[id]; e != nil {
		return e.record()
	}
	return Record{Invoice: id, PerKey: []KeyRecord{}, Keys: []string{}, Bodies: []string{}}
}

// Invoices returns the record of every invoice that was seen, sorted by id.
func (a *API) Invoices() []Record {
	return a.ledger.records(func(*entry) bool { return true })
}

// Duplicates returns the records of invoices that were billed more than once.
func (a *API) Duplicates() []Record {
	return a.ledger.records(func(e *entry) bool { return e.effects > 1 })
}

// Summary returns the totals and the duplicates, of one instant.
func (a *API) Summary() Summary {
	l := &a.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Summary{Counts: l.counts, Duplicates: []Duplicate{}, Faults: maps.Clone(l.faults)}
	for _, e := range l.invoices {
		if e.requests > 0 {
			s.Invoices++
		}
		if e.effects > 0 {
			s.Billed++
		}
		if e.effects > 1 {
			s.Duplicates = append(s.Duplicates, Duplicate{Invoice: e.id, Effects: int(e.effects)})
		}
	}
	slices.SortFunc(s.Duplicates, func(a, b Duplicate) int { return cmp.Compare(a.Invoice, b.Invoice) })
	return s
}

// Reset forgets everything, keys too. The effects of requests in flight are
// counted afterwards.
func (a *API) Reset() { a.ledger.reset() }

func (l *ledger) records(want func(*entry) bool) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []Record
	for _, e := range l.invoices {
		if want(e) {
			records = append(records, e.record())
		}
	}
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.Invoice, b.Invoice) })
	return records
}

// record copies the entry: what is given out must not change later.
func (e *entry) record() Record {
	r := Record{
		Invoice: e.id, Requests: int(e.requests), Effects: int(e.effects), Lookups: int(e.lookups),
		Replays: int(e.replays), Followed: int(e.followed), Overlaps: int(e.overlaps),
		PerKey: append([]KeyRecord{}, e.keys...),
		Keys:   make([]string, 0, len(e.keys)), Bodies: make([]string, 0, len(e.hashes)),
	}
	for _, k := range e.keys {
		r.Keys = append(r.Keys, k.Key)
	}
	for _, hash := range e.hashes {
		r.Bodies = append(r.Bodies, hex.EncodeToString(hash[:]))
	}
	if e.kept != nil {
		r.Kept = slices.Clone(*e.kept)
	}
	if e.requests > 0 {
		r.First, r.Last = time.Unix(0, e.firstNano).UTC(), time.Unix(0, e.lastNano).UTC()
	}
	return r
}
