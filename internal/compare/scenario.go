package compare

import (
	"slices"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

const (
	serverA = "server A"
	serverB = "server B"
)

// Counts are what the API counted in one scenario of the demo, and how its servers ended.
type Counts struct {
	Name        string         `json:"name"`
	Lesson      string         `json:"lesson"`
	Invoices    int            `json:"invoices"`
	Requests    int            `json:"requests"`
	Effects     int            `json:"effects"`      // invoices billed, each time they were
	BilledTwice int            `json:"billed_twice"` // invoices billed more than once
	Errors      int            `json:"errors"`       // servers that ended with one; to be killed is none
	Servers     map[string]int `json:"requests_by_server"`
	Killed      string         `json:"killed,omitempty"`                  // the server that was
	Refused     string         `json:"refused,omitempty"`                 // the server that refused to run here
	Recovered   float64        `json:"recovered_after_seconds,omitempty"` // from the kill to the request for the same invoice
}

// scenario is what servers are set to do.
type scenario struct {
	name, opening, lesson string

	strategy   string
	invoices   int
	latency    time.Duration // of the API
	groups     [][]string    // the servers that work side by side; who comes next, once they have gone
	kill       bool          // server A, when the API has acted for it the first time
	noKeys     bool          // the API does not know idempotency keys
	restore    bool          // a backup from before, once the first group has gone
	asExpected func(Counts) bool
}

func (d Demo) scenarios() []scenario {
	alone, both := [][]string{{serverA}}, [][]string{{serverA, serverB}}
	return []scenario{
		{
			name: "one server", opening: openingAlone, lesson: "one server: no harm",
			strategy: report.None, invoices: d.Invoices, latency: d.Latency, groups: alone, asExpected: Counts.eachOnce,
		},
		{
			name: "two, no lock", opening: openingUnlocked, lesson: "two bill everything twice",
			strategy: report.None, invoices: d.Invoices, latency: d.Latency / 2, groups: both, asExpected: Counts.eachTwice,
		},
		{
			name: "two, NOWAIT", opening: openingLocked, lesson: "billed once; the other fails",
			strategy: report.NoWait, invoices: d.Invoices, latency: d.Latency / 2, groups: both, asExpected: Counts.oneDied,
		},
		{
			name: "NOWAIT, killed", opening: openingLockedKilled, lesson: "billed again after the kill",
			strategy: report.NoWait, invoices: d.Invoices, latency: d.Latency / 2, groups: [][]string{{serverA}, {serverB}}, kill: true,
			asExpected: Counts.oneTwice,
		},
		{
			// A server locks up to three invoices ahead here: with twice as many as
			// before, both have work.
			name: "Billonce, killed", opening: openingBillonce, lesson: "same key: billed once",
			strategy: report.Advisory, invoices: 2 * d.Invoices, latency: d.Latency / 5, groups: both, kill: true,
			asExpected: Counts.recovered,
		},
		{
			name: "Billonce, restored", opening: openingForgets, lesson: "the restore is noticed",
			strategy: report.Advisory, invoices: d.Invoices, latency: d.Latency / 5, groups: [][]string{{serverA}, {serverB}},
			noKeys: true, restore: true, asExpected: Counts.refused,
		},
	}
}

// eachOnce: no more requests than invoices, and one effect for each.
func (s Counts) eachOnce() bool {
	return s.Requests == s.Invoices && s.Effects == s.Invoices && s.BilledTwice == 0 && s.Errors == 0
}

// eachTwice: each server billed each invoice.
func (s Counts) eachTwice() bool {
	return s.Effects == 2*s.Invoices && s.BilledTwice == s.Invoices && s.Errors == 0
}

// oneDied: one server did all the work, the other ended with an error.
func (s Counts) oneDied() bool {
	died := s.Errors == 1 && len(s.Servers) == 1
	s.Errors = 0
	return died && s.eachOnce()
}

// oneTwice: only what the killed server had in hand was billed again.
func (s Counts) oneTwice() bool {
	return s.Killed != "" && s.Effects == s.Invoices+1 && s.BilledTwice == 1 && s.Errors == 0
}

// recovered: the killed server's request was repeated, without a second effect,
// and both servers had a part in it.
func (s Counts) recovered() bool {
	once := s.Effects == s.Invoices && s.BilledTwice == 0 && s.Errors == 0
	idle := slices.ContainsFunc([]string{serverA, serverB}, func(name string) bool { return s.Servers[name] == 0 })
	return once && !idle && s.Killed != "" && s.Recovered > 0 && s.Requests == s.Invoices+1
}

// refused: the second server saw that its ledger had forgotten, and sent nothing.
func (s Counts) refused() bool {
	return s.eachOnce() && s.Refused == serverB && s.Servers[serverB] == 0
}
