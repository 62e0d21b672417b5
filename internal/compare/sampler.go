package compare

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const sampleEvery = 20 * time.Millisecond

// sessions of the runners: who holds vacuum back (its transaction has an id or a
// snapshot), who waits for a lock, and what each has in the shared lock table
// (manual, System Views, pg_locks).
const sessions = `select a.pid, a.application_name, coalesce(extract(epoch from a.xact_start), 0)::float8,
	a.backend_xid is not null or a.backend_xmin is not null, coalesce(a.wait_event_type = 'Lock', false), coalesce(l.n, 0)
from pg_stat_activity a
left join (select pid, count(*) as n from pg_locks where not fastpath group by pid) l using (pid)
where starts_with(a.application_name, $1)`

// sampler looks at the runners' sessions again and again, on a connection of its own.
type sampler struct {
	stand *stand
	conn  *pgx.Conn
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	seen    samples
	holding map[int32]holdingSince // by pid
	waiting chan int               // runners that wait for a lock, after each look
	err     error
}

// samples are the most that was seen.
type samples struct {
	Connections, LockEntries int
	Horizon                  time.Duration
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

func (s *stand) startSampler(ctx context.Context) (*sampler, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	m := &sampler{stand: s, conn: conn, stop: stop, ended: make(chan struct{}), waiting: make(chan int, 1), holding: map[int32]holdingSince{}}
	go m.loop(ctx)
	return m, nil
}

func (m *sampler) loop(ctx context.Context) {
	defer close(m.ended)
	defer close(m.waiting)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		// Not tied to ctx: pgx would close the connection in the middle of a look.
		if err := m.look(context.WithoutCancel(ctx)); err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (m *sampler) look(ctx context.Context) error {
	rows, err := m.conn.Query(ctx, sessions, pgx.QueryExecModeSimpleProtocol, m.stand.schema+"/")
	if err != nil {
		return fmt.Errorf("look at the runners' sessions: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[session])
	if err != nil {
		return fmt.Errorf("look at the runners' sessions: %w", err)
	}
	waiting := m.note(time.Now(), all)
	select {
	case <-m.waiting: // the newest is the one that counts
	default:
	}
	m.waiting <- waiting
	return nil
}

// note returns how many runners wait.
func (m *sampler) note(at time.Time, all []session) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	locks, waiting, holding := 0, map[string]bool{}, map[int32]holdingSince{}
	for _, s := range all {
		locks += s.Locks
		if s.Waits {
			waiting[s.Runner] = true
		}
		if !s.Holds {
			continue
		}
		h, known := m.holding[s.PID]
		if !known || h.transaction != s.Transaction {
			h = holdingSince{s.Transaction, at}
		}
		holding[s.PID] = h
		m.seen.Horizon = max(m.seen.Horizon, at.Sub(h.at))
	}
	m.holding = holding
	m.seen.Connections = max(m.seen.Connections, len(all))
	m.seen.LockEntries = max(m.seen.LockEntries, locks)
	m.seen.Looks++
	return len(waiting)
}

// restart forgets what was seen so far.
func (m *sampler) restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen, m.holding = samples{Looks: m.seen.Looks}, map[int32]holdingSince{}
}

// close ends it, and returns what it has seen.
func (m *sampler) close(ctx context.Context) (samples, error) {
	m.stop()
	<-m.ended
	_ = m.conn.Close(context.WithoutCancel(ctx)) // only now are its own transactions in the server's count
	return m.seen, m.err
}
