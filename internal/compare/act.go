package compare

import (
	"slices"
	"time"
)

const (
	serverA = "server A"
	serverB = "server B"
)

// Act is one act by the API's own count.
type Act struct {
	Name        string         `json:"name"`
	Lesson      string         `json:"lesson"`
	Invoices    int            `json:"invoices"`
	Requests    int            `json:"requests"`
	Effects     int            `json:"effects"`      // invoices billed, each time they were
	BilledTwice int            `json:"billed_twice"` // invoices billed more than once
	Errors      int            `json:"errors"`       // servers that ended with one; to be killed is none
	Servers     map[string]int `json:"requests_by_server"`
	Killed      string         `json:"killed,omitempty"`                  // the server that was
	Recovered   float64        `json:"recovered_after_seconds,omitempty"` // from the kill to the request for the same invoice
}

// script is what an act is played by.
type script struct {
	name, opening, lesson string

	invoices   int
	latency    time.Duration // of the API
	idempotent bool          // so is the API
	cast       [][]string    // who works side by side; who comes next, once they have gone
	kill       bool          // server A, when the API has acted for it the first time
	server     hire
	asTold     func(Act) bool
}

// hire makes the process that is a server.
type hire func(name, databaseURL, billingURL string) (child, error)

func (s Story) scripts() []script {
	alone, both := [][]string{{serverA}}, [][]string{{serverA, serverB}}
	return []script{
		{
			name: "one server", opening: openingAlone, lesson: "one alone does no harm",
			invoices: s.Invoices, latency: s.Latency, cast: alone, server: s.unlocked, asTold: Act.eachOnce,
		},
		{
			name: "two, no lock", opening: openingUnlocked, lesson: "two bill everything twice",
			invoices: s.Invoices, latency: s.Latency / 2, cast: both, server: s.unlocked, asTold: Act.eachTwice,
		},
		{
			name: "two, NOWAIT", opening: openingLocked, lesson: "once each, by one alone",
			invoices: s.Invoices, latency: s.Latency / 2, cast: both, server: s.locked, asTold: Act.oneDied,
		},
		{
			name: "NOWAIT, killed", opening: openingLockedKilled, lesson: "a lock dies with its holder",
			invoices: s.Invoices, latency: s.Latency / 2, cast: [][]string{{serverA}, {serverB}}, kill: true,
			server: s.locked, asTold: Act.oneTwice,
		},
		{
			// A server locks up to three invoices ahead here: with twice as many as
			// before, both have work.
			name: "Billonce, killed", opening: openingBillonce, lesson: "a committed intent does not",
			invoices: 2 * s.Invoices, latency: s.Latency / 5, idempotent: true, cast: both, kill: true,
			server: s.billonce, asTold: Act.recovered,
		},
	}
}

// eachOnce: no more requests than invoices, and one effect for each.
func (a Act) eachOnce() bool {
	return a.Requests == a.Invoices && a.Effects == a.Invoices && a.BilledTwice == 0 && a.Errors == 0
}

// eachTwice: each server billed each invoice.
func (a Act) eachTwice() bool {
	return a.Effects == 2*a.Invoices && a.BilledTwice == a.Invoices && a.Errors == 0
}

// oneDied: one server did all the work, the other ended with an error.
func (a Act) oneDied() bool {
	died := a.Errors == 1 && len(a.Servers) == 1
	a.Errors = 0
	return died && a.eachOnce()
}

// oneTwice: only what the killed server had in hand was billed again.
func (a Act) oneTwice() bool {
	return a.Killed != "" && a.Effects == a.Invoices+1 && a.BilledTwice == 1 && a.Errors == 0
}

// recovered: the killed server's request was repeated, without a second effect,
// and both servers had a part in it.
func (a Act) recovered() bool {
	once := a.Effects == a.Invoices && a.BilledTwice == 0 && a.Errors == 0
	idle := slices.ContainsFunc([]string{serverA, serverB}, func(name string) bool { return a.Servers[name] == 0 })
	return once && !idle && a.Killed != "" && a.Recovered > 0 && a.Requests == a.Invoices+1
}
