package billingfake

import (
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"
)

// Record is the API's own account of one invoice.
type Record struct {
	Invoice  string    `json:"invoice"`
	Requests int       `json:"requests"`
	Effects  int       `json:"effects"`
	Keys     []string  `json:"keys"`   // distinct
	Bodies   []string  `json:"bodies"` // distinct, as SHA-256
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

// Summary is the API's own account of everything.
type Summary struct {
	Invoices   int      `json:"invoices"`
	Requests   int      `json:"requests"`
	Effects    int      `json:"effects"`
	Replays    int      `json:"replays"`
	MaxFlight  int      `json:"max_in_flight"`
	Duplicates []Record `json:"billed_more_than_once"`
}

// Requests is how many requests came.
func (a *API) Requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// Effects is how many charges were made.
func (a *API) Effects() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.effects
}

// MaxInFlight is how many requests were open at the same time, at most.
func (a *API) MaxInFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peak
}

// Invoice returns the account of one invoice.
func (a *API) Invoice(id string) Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.records[id]; r != nil {
		return r.public(id)
	}
	return Record{Invoice: id}
}

// Invoices returns the account of every invoice that was asked for, by id.
func (a *API) Invoices() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]Record, 0, len(a.records))
	for id, r := range a.records {
		all = append(all, r.public(id))
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Invoice < all[j].Invoice })
	return all
}

// Duplicates returns the invoices that were billed more than once.
func (a *API) Duplicates() []Record {
	twice := []Record{}
	for _, r := range a.Invoices() {
		if r.Effects > 1 {
			twice = append(twice, r)
		}
	}
	return twice
}

// Summary returns the API's account.
func (a *API) Summary() Summary {
	twice := a.Duplicates()
	a.mu.Lock()
	defer a.mu.Unlock()
	return Summary{
		Invoices: len(a.records), Requests: a.requests, Effects: a.effects, Replays: a.replays, MaxFlight: a.peak,
		Duplicates: twice,
	}
}

func (r *record) public(id string) Record {
	return Record{
		Invoice: id, Requests: r.requests, Effects: r.effects,
		Keys: append([]string{}, r.keys...), Bodies: append([]string{}, r.bodies...), First: r.first, Last: r.last,
	}
}

// serveLedger answers GET /ledger and GET /ledger/{id}.
func (a *API) serveLedger(w http.ResponseWriter, req *http.Request) bool {
	rest, ok := strings.CutPrefix(req.URL.Path, "/ledger")
	if !ok {
		return false
	}
	var account any = a.Summary()
	if id := strings.TrimPrefix(rest, "/"); id != "" {
		account = a.Invoice(id)
	}
	text, err := json.Marshal(account)
	if err != nil {
		reply(w, http.StatusInternalServerError, `{"error":"the ledger can't be written as JSON"}`)
		return true
	}
	reply(w, http.StatusOK, string(text))
	return true
}
