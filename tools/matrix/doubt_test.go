package matrix_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const (
	doubtRounds      = 6 // for each strategy
	doubtInvoices    = 400
	doubtConcurrency = 16
)

// kill is one round: when the runner is killed.
type kill struct {
	strategy string
	after    int           // requests at the API
	later    time.Duration // and then this
}

func (k kill) String() string { return fmt.Sprintf("%s/after_%d+%s", k.strategy, k.after, k.later) }

// doubt is what a kill has left.
type doubt struct{ inDoubt, arrived int }

// With an API that has no keys, kill -9 at any moment under load leaves at most
// CONCURRENCY deliveries in doubt; the API has seen the requests of some of them,
// and the others were about to be sent.
func testDoubtIsSmall(t *testing.T, books chan *book) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var kills []kill
	for range doubtRounds {
		for _, strategy := range []string{"advisory", "row"} {
			kills = append(kills, kill{strategy, 1 + random.IntN(doubtInvoices*3/4), time.Duration(random.IntN(4000)) * time.Microsecond})
		}
	}
	var mu sync.Mutex
	came := make(map[kill]doubt)
	share(t, books, kills, func(t *testing.T, b *book, k kill) {
		d := k.try(t, b)
		mu.Lock()
		defer mu.Unlock()
		came[k] = d
	})
	t.Logf("seed %d\n%s", seed, doubtTable(kills, came))
}

func (k kill) try(t *testing.T, b *book) doubt {
	c := newCounter(k.after)
	s := newTestbed(t, b, doubtInvoices, billingfake.Config{Latency: 5 * time.Millisecond, Before: c.note})
	strategy := "LOCK_STRATEGY=" + k.strategy
	// The next run waits for the target's BILLING_TIMEOUT, and has a long one itself:
	// a request that comes late is not in doubt.
	target := s.start("target", strategy, "BILLING_TIMEOUT=4s", fmt.Sprintf("CONCURRENCY=%d", doubtConcurrency))
	select {
	case <-c.due:
	case <-target.ended:
		t.Fatal("the target ended before it could be killed")
	case <-time.After(patience):
		t.Fatalf("%d requests did not come within %s", k.after, patience)
	}
	<-time.After(k.later) // the moment of the kill
	target.kill()
	s.start("next", strategy).wantExit(0, 3)
	s.wantIdleAPI()
	var d doubt
	for _, it := range s.deliveries() {
		r := s.api.Invoice(it.invoice)
		switch {
		case it.state == "sent" && !it.pending && r.Requests == 1 && r.Effects == 1:
		case it.state == "in_doubt" && it.pending && r.Requests == 0:
			d.inDoubt++
		case it.state == "in_doubt" && it.pending && r.Requests == 1 && c.came(it.invoice):
			d.inDoubt++
			d.arrived++
		default:
			t.Errorf("invoice %s is %s (pending: %t) after %d requests and %d effects", it.invoice, it.state, it.pending, r.Requests, r.Effects)
		}
	}
	if d.inDoubt > doubtConcurrency {
		t.Errorf("%d deliveries in doubt with CONCURRENCY=%d", d.inDoubt, doubtConcurrency)
	}
	return d
}

// counter notes the target's requests as they come to the API: a killed process's
// last ones may come after its end.
type counter struct {
	due chan struct{} // closed as the nth comes

	mu   sync.Mutex
	left int
	all  map[string]bool // by invoice
}

func newCounter(n int) *counter {
	return &counter{due: make(chan struct{}), left: n, all: make(map[string]bool)}
}

func (c *counter) note(r billingfake.Received) {
	if r.Header.Get("Runner") != "target" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[r.Invoice] = true
	if c.left--; c.left == 0 {
		close(c.due)
	}
}

func (c *counter) came(invoice string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[invoice]
}

func doubtTable(kills []kill, came map[kill]doubt) string {
	var b strings.Builder
	var all []int
	for _, k := range kills {
		d, ok := came[k]
		if !ok {
			continue
		}
		all = append(all, d.inDoubt)
		fmt.Fprintf(&b, "%-9s killed %6s after request %3d of %d: %2d in doubt: %2d had arrived, %2d were about to be sent\n",
			k.strategy, k.later, k.after, doubtInvoices, d.inDoubt, d.arrived, d.inDoubt-d.arrived)
	}
	if slices.Sort(all); len(all) > 0 {
		fmt.Fprintf(&b, "in doubt after %d kills: %d at least, median %d, %d at most; CONCURRENCY=%d",
			len(all), all[0], all[len(all)/2], all[len(all)-1], doubtConcurrency)
	}
	return b.String()
}
