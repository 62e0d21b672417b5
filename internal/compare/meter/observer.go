package meter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const lookEvery = 20 * time.Millisecond

// sessions of the runners: who holds vacuum back (its transaction has an id or a
// snapshot), who waits for a lock, and what each has in the shared lock table
// (manual, System Views, pg_locks).
const sessions = `select a.pid, a.application_name, coalesce(extract(epoch from a.xact_start), 0)::float8,
	a.backend_xid is not null or a.backend_xmin is not null, coalesce(a.wait_event_type = 'Lock', false), coalesce(l.n, 0)
from pg_stat_activity a
left join (select pid, count(*) as n from pg_locks where $2 and not fastpath group by pid) l using (pid)
where starts_with(a.application_name, $1)`

// Observer looks at the runners' sessions again and again, on a connection of its own.
type Observer struct {
	// Waiting is how many runners wait for a lock, after each look; closed where none
	// can be taken any more.
	Waiting chan int

	conn     *pgx.Conn
	sessions string
	locks    bool
	stop     context.CancelFunc
	ended    chan struct{}

	mu      sync.Mutex
	seen    Peaks
	holding map[int32]holdingSince // by pid
	err     error
}

// Peaks are the most that was seen.
type Peaks struct {
	Connections, LockEntries int
	Horizon                  time.Duration // one transaction held vacuum back
	Looks                    int
}

// holdingSince says of a transaction, by its start, that it holds vacuum back, and
// since when that was seen.
type holdingSince struct {
	transaction float64
	at          time.Time
}

type session struct {
	PID         int32
	Runner      string
	Transaction float64
	Holds       bool
	Waits       bool
	Locks       int
}

// Observe starts to look at sessions by the beginning of their application_name. It
// owns conn from now on. To count locks takes the server's time.
func Observe(ctx context.Context, conn *pgx.Conn, sessions string, locks bool) *Observer {
	ctx, stop := context.WithCancel(ctx)
	s := &Observer{
		Waiting: make(chan int, 1), conn: conn, sessions: sessions, locks: locks,
		stop: stop, ended: make(chan struct{}), holding: map[int32]holdingSince{},
	}
	go s.loop(ctx)
	return s
}

func (s *Observer) loop(ctx context.Context) {
	defer close(s.ended)
	defer close(s.Waiting)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		// Not tied to ctx: pgx would close the connection in the middle of a look.
		if err := s.look(context.WithoutCancel(ctx)); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Observer) look(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, sessions, pgx.QueryExecModeSimpleProtocol, s.sessions, s.locks)
	if err != nil {
		return fmt.Errorf("look at the runners' sessions: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[session])
	if err != nil {
		return fmt.Errorf("look at the runners' sessions: %w", err)
	}
	waiting := s.note(time.Now(), all)
	select {
	case <-s.Waiting: // the newest is the one that counts
	default:
	}
	s.Waiting <- waiting
	return nil
}

// note returns how many runners wait.
func (s *Observer) note(at time.Time, all []session) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	locks, waiting, holding := 0, map[string]bool{}, map[int32]holdingSince{}
	for _, one := range all {
		locks += one.Locks
		if one.Waits {
			waiting[one.Runner] = true
		}
		if !one.Holds {
			continue
		}
		h, known := s.holding[one.PID]
		if !known || h.transaction != one.Transaction {
			h = holdingSince{one.Transaction, at}
		}
		holding[one.PID] = h
		s.seen.Horizon = max(s.seen.Horizon, at.Sub(h.at))
	}
	s.holding = holding
	s.seen.Connections = max(s.seen.Connections, len(all))
	s.seen.LockEntries = max(s.seen.LockEntries, locks)
	s.seen.Looks++
	return len(waiting)
}

// Restart forgets what was seen so far.
func (s *Observer) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.holding = Peaks{Looks: s.seen.Looks}, map[int32]holdingSince{}
}

// Close ends it, and returns what it has seen.
func (s *Observer) Close(ctx context.Context) (Peaks, error) {
	s.stop()
	<-s.ended
	_ = s.conn.Close(context.WithoutCancel(ctx)) // only now are its own transactions in the server's count
	return s.seen, s.err
}
