package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/failpoint"
)

const (
	invoices    = 24
	concurrency = 4
	// timeout is the BILLING_TIMEOUT of a target that comes to no good end. Without
	// keys a survivor waits for it, and for the intent's life before it.
	timeout = 2 * time.Second
	// keyTTL is the target's, short so that its intents' life is short: a part of
	// the margin that a key's age is given.
	keyTTL = time.Minute
	// After this no intent of the target's may be acted upon any more.
	intentLifeWithKeys    = 3 * time.Second
	intentLifeWithoutKeys = 5 * time.Second
)

// cell is one case of the matrix: what happens to the target, and in which world.
type cell struct {
	point    string // or everyPoint
	action   string
	strategy string
	keys     bool // the API is idempotent
}

func (c cell) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", c.point, c.action, c.strategy, c.api())
}

func (c cell) api() string {
	if c.keys {
		return "keys"
	}
	return "no_keys"
}

// everyPoint stands for all of them in one run: of delays a runner takes many.
const everyPoint = "every_point"

func cells() []cell {
	var all []cell
	add := func(point, action string) {
		for _, strategy := range []string{"advisory", "row"} {
			for _, keys := range []bool{true, false} {
				all = append(all, cell{point, action, strategy, keys})
			}
		}
	}
	for _, point := range points() {
		add(point.Name, "kill")
		add(point.Name, "stop")
		if point.CanFail {
			add(point.Name, "error")
		}
	}
	add(everyPoint, "delay")
	return all
}

// points are those that every delivery comes to.
func points() []failpoint.Point {
	return slices.DeleteFunc(failpoint.Points(), func(p failpoint.Point) bool { return p.Submitted })
}

// orders is what the target is told, a point each.
func (c cell) orders() []string {
	var all []string
	for _, p := range points() {
		if c.point == p.Name || c.point == everyPoint {
			all = append(all, fmt.Sprintf("%s=%s@%d", p.Name, c.action, hitOf(p.Name)))
		}
	}
	return all
}

// hitOf is when a failpoint acts: at the steps of one delivery not at the first,
// so that others are on their way.
func hitOf(point string) int {
	switch point {
	case "before_send", "before_write", "after_write", "after_reply":
		return 3
	}
	return 1
}

// outcome is what came of a cell.
type outcome struct{ hits, sent, inDoubt, late int }

func testMatrix(t *testing.T, books chan *book) {
	all := cells()
	var mu sync.Mutex
	came := make(map[cell]outcome)
	share(t, books, all, func(t *testing.T, b *book, c cell) {
		o := c.try(t, b)
		mu.Lock()
		defer mu.Unlock()
		came[c] = o
	})
	t.Log("\n" + table(all, came))
}

// try has two runners share the invoices: a survivor, whose requests the API
// keeps waiting, and a target, which comes to its failpoint meanwhile. Then the
// survivor goes on, and has to finish all of it in the same run.
func (c cell) try(t *testing.T, b *book) outcome {
	g := newGate(t.Context())
	s := newTestbed(t, b, invoices, billingfake.Config{Idempotent: c.keys, Before: g.pass})
	shared := []string{
		"RUN_LOCK=shared", "LOCK_STRATEGY=" + c.strategy, fmt.Sprintf("BILLING_IDEMPOTENT=%t", c.keys),
		"CLAIM_SIZE=3", fmt.Sprintf("CONCURRENCY=%d", concurrency),
	}
	survivor := s.start("survivor", append(shared, "JOB_COMPLETION_INDEX=0")...)
	g.await(t, survivor)
	doomed := []string{
		"JOB_COMPLETION_INDEX=1", "BILLING_IDEMPOTENCY_TTL=" + keyTTL.String(),
		"BILLONCE_FAILPOINTS=" + strings.Join(c.orders(), ";"),
	}
	if c.cutsOff() {
		doomed = append(doomed, "BILLING_TIMEOUT="+timeout.String())
	}
	if c.action == "stop" {
		// One sender: of several, another may stand beyond its permit just then.
		doomed = append(doomed, "CONCURRENCY=1")
	}
	target := s.start("target", append(shared, doomed...)...)
	o := outcome{hits: target.wantActed(c.orders())}
	switch c.action {
	case "kill":
		target.wantExit(-1)
		close(g.open)
		survivor.wantExit(0, 3)
		s.wantAllDone("after the survivor's run")
	case "stop":
		o.late = c.stopped(s, g, survivor, target)
	default:
		close(g.open)
		target.wantExit(0, 3)
		survivor.wantExit(c.ends()...)
		s.wantAllDone("after both runs")
	}
	s.start("clean", shared[1:]...).wantExit(c.ends()...)
	s.wantNoLocks()
	o.sent, o.inDoubt = c.judge(s)
	return o
}

// stopped is about a target that stands still for longer than its locks live.
// Woken up, it may take the run lock again and go on, but not with what it had in
// hand. It returns how many requests it made of that.
func (c cell) stopped(s *testbed, g *gate, survivor, target *runner) (late int) {
	target.wantStopped()
	life := time.NewTimer(c.intentLife())
	defer life.Stop()
	s.terminate("target")
	close(g.open)
	survivor.wantExit(0, 3)
	s.wantAllDone("after the survivor's run")
	<-life.C
	s.wantIdleAPI()
	g.wake()
	target.signal(syscall.SIGCONT)
	if c.keys {
		target.wantExit(0, 4)
	} else {
		target.wantExit(0, 3, 4) // 3: it lost a reply
	}
	s.wantIdleAPI()
	for _, invoice := range g.afterWaking() {
		if !s.intendedAgain(invoice, "target") {
			late++
		}
	}
	if late > 0 && !c.beyondThePermit() {
		s.t.Errorf("woken up, the target made %d requests though their locks were gone", late)
	}
	return late
}

// ends are the exit codes of a run that finds all done: without keys a doubt may be left,
// of which a person is told until one has decided.
func (c cell) ends() []int {
	if c.keys {
		return []int{0}
	}
	return []int{0, 3}
}

// cutsOff says that the target's locks come free while it is at work.
func (c cell) cutsOff() bool { return c.action == "kill" || c.action == "stop" }

func (c cell) intentLife() time.Duration {
	if c.keys {
		return intentLifeWithKeys
	}
	return intentLifeWithoutKeys
}

// beyondThePermit is the one instant at which nothing keeps a request back any
// more (docs/guarantees.md, "What is not promised"). Even so there is no second
// effect: with keys it is a repeat, and without nobody else has sent it.
func (c cell) beyondThePermit() bool { return c.point == "before_write" }

// judge compares the ledger, the invoices and the API's own account: P1, P2, P3.
func (c cell) judge(s *testbed) (sent, inDoubt int) {
	s.t.Helper()
	for _, d := range s.deliveries() {
		r := s.api.Invoice(d.invoice)
		seen := fmt.Sprintf("invoice %s is %s (pending: %t) after %d requests with %d keys and %d effects",
			d.invoice, d.state, d.pending, r.Requests, len(r.Keys), r.Effects)
		if r.Effects > 1 || !c.keys && r.Requests > 1 || len(r.Keys) > 1 || len(r.Bodies) > 1 || r.Followed > 0 {
			s.t.Errorf("P1: %s", seen)
		}
		switch {
		case d.state == "sent" && (d.pending || r.Effects != 1):
			s.t.Errorf("P3: %s", seen)
		case d.state == "sent":
			sent++
		case d.state == "in_doubt" && !c.keys && d.pending:
			inDoubt++
		default:
			s.t.Errorf("P2: %s", seen)
		}
	}
	if sent+inDoubt != invoices && !s.t.Failed() {
		s.t.Errorf("P2: %d sent and %d in doubt of %d invoices", sent, inDoubt, invoices)
	}
	if most := c.doubtAtMost(); inDoubt > most {
		s.t.Errorf("%d deliveries in doubt, want %d at most", inDoubt, most)
	}
	return sent, inDoubt
}

// doubtAtMost is what may be in doubt in the end, without keys: what the target
// had begun when it was killed or cut off, or a request whose reply never came.
func (c cell) doubtAtMost() int {
	untouched := []string{
		"before_scan", "after_scan", "before_lock", "after_lock", "before_second_look", "after_second_look", "before_intent_commit",
	}
	switch {
	case c.keys, slices.Contains(untouched, c.point):
		return 0
	case c.cutsOff():
		return concurrency
	case c.action == "error" && c.point == "after_write":
		return 1
	}
	return 0
}

// gate keeps the survivor's requests waiting at the API until it is opened, and
// notes those that the target makes after it was woken up.
type gate struct {
	ctx  context.Context // the test's: a failed one must not hang
	came chan struct{}
	once sync.Once
	open chan struct{}

	mu    sync.Mutex
	woken bool
	late  []string // invoices
}

func newGate(ctx context.Context) *gate {
	return &gate{ctx: ctx, came: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) pass(r billingfake.Received) {
	if r.Header.Get("Runner") != "survivor" {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.woken {
			g.late = append(g.late, r.Invoice)
		}
		return
	}
	g.once.Do(func() { close(g.came) })
	select {
	case <-g.open:
	case <-g.ctx.Done():
	}
}

func (g *gate) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.woken = true
}

func (g *gate) afterWaking() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.late)
}

func (g *gate) await(t *testing.T, r *runner) {
	t.Helper()
	select {
	case <-g.came:
	case <-r.ended:
		t.Fatalf("%s ended without a request", r.name)
	case <-time.After(patience):
		t.Fatalf("%s made no request within %s", r.name, patience)
	}
}
