package billing

import (
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// stuckAfter is how long a lane waits for a claim's last requests before another
// lane takes over, if senders are idle.
const stuckAfter = 250 * time.Millisecond

// lanes work through one pass. A claim lasts as long as its slowest request, and
// its lane with it: where a few requests hang, others stand in for such lanes
// until they come back.
type lanes struct {
	runner *Runner
	pass   *pass
	group  errgroup.Group

	mu   sync.Mutex
	open int // a lane that found nothing more stays counted: so will every other
}

func (l *lanes) start(n int) {
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
	l.group.Go(func() error { return l.runner.lane(l, l.runner.newSizer(n, l.pass.first)) })
}

// standIn starts one more lane, if senders are idle and there may be one more.
func (l *lanes) standIn() {
	r := l.runner
	l.mu.Lock()
	enough := r.SettlesLate || l.open >= r.MostLanes || 4*r.underWay() > r.Concurrency
	l.mu.Unlock()
	if !enough && !l.pass.over() {
		l.start(0)
	}
}

// surplus says that a lane is to end, since others stood in for it.
func (l *lanes) surplus() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open <= l.runner.lanes() {
		return false
	}
	l.open--
	return true
}
