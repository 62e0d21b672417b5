package compare

import (
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

	strategy string
	invoices int
	latency  time.Duration // of the API
	groups   [][]string    // the servers that work side by side; who comes next, once they have gone
	kill     bool          // server A, when the API has acted for it the first time
	noKeys   bool          // the API does not know idempotency keys
	restore  bool          // a backup from before, once the first group has gone
	want     wanted
}

// wanted is what a scenario comes to, whoever is slower.
type wanted struct {
	requests, effects, billedTwice, errors int
	servers                                int // that asked the API for anything
	killed, refused                        string
}

func (s Counts) are(w wanted) bool {
	recovered := s.Requests == s.Effects || s.Recovered > 0 // a repeat without an effect is a recovery
	return recovered && w == wanted{s.Requests, s.Effects, s.BilledTwice, s.Errors, len(s.Servers), s.Killed, s.Refused}
}

func (d Demo) scenarios() []scenario {
	n, alone, both := d.Invoices, [][]string{{serverA}}, [][]string{{serverA, serverB}}
	return []scenario{
		{
			name: "one server", opening: openingAlone, lesson: "one server: no harm",
			strategy: report.None, invoices: n, latency: d.Latency, groups: alone,
			want: wanted{requests: n, effects: n, servers: 1},
		},
		{
			name: "two, no lock", opening: openingUnlocked, lesson: "two bill everything twice",
			strategy: report.None, invoices: n, latency: d.Latency / 2, groups: both,
			want: wanted{requests: 2 * n, effects: 2 * n, billedTwice: n, servers: 2},
		},
		{
			name: "two, NOWAIT", opening: openingLocked, lesson: "billed once; the other fails",
			strategy: report.NoWait, invoices: n, latency: d.Latency / 2, groups: both,
			want: wanted{requests: n, effects: n, errors: 1, servers: 1},
		},
		{
			name: "NOWAIT, killed", opening: openingLockedKilled, lesson: "billed again after the kill",
			strategy: report.NoWait, invoices: n, latency: d.Latency / 2, groups: [][]string{{serverA}, {serverB}}, kill: true,
			want: wanted{requests: n + 1, effects: n + 1, billedTwice: 1, servers: 2, killed: serverA}, // what was in hand
		},
		{
			// A server locks up to three invoices ahead here: with twice as many as
			// before, both have work.
			name: "Billonce, killed", opening: openingBillonce, lesson: "same key: billed once",
			strategy: report.Advisory, invoices: 2 * n, latency: d.Latency / 5, groups: both, kill: true,
			want: wanted{requests: 2*n + 1, effects: 2 * n, servers: 2, killed: serverA},
		},
		{
			name: "Billonce, restored", opening: openingForgets, lesson: "the restore is noticed",
			strategy: report.Advisory, invoices: n, latency: d.Latency / 5, groups: [][]string{{serverA}, {serverB}},
			noKeys: true, restore: true, want: wanted{requests: n, effects: n, servers: 1, refused: serverB},
		},
	}
}
