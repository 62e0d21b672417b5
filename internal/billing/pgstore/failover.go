package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// home is the database that a run writes to.
type home struct {
	billing.Identity
	timeline string // what is written fails on another one; empty: it does not
	told     bool   // this run's row says that all stands there: what is written fails where it does not
	again    bool   // what is missing there is being written again: what is written fails on another server
}

// place is what the run's row says once all stands there.
func (h *home) place() string { return h.Timeline + " " + h.Server }

// Home says which database this run writes to. losesCommits: what is written fails on
// another timeline, where that is known.
func (s *Store) Home(id billing.Identity, losesCommits bool) {
	h := home{Identity: id}
	if losesCommits {
		h.timeline = id.Timeline
	}
	s.home.Store(&h)
}

// stayHome has what is written from now on ask for the run's row, which was written there.
func (s *Store) stayHome(written *home) {
	if written == nil || written.timeline == "" {
		return
	}
	told := *written
	told.told, told.again = true, false
	s.home.CompareAndSwap(written, &told)
}

// Where is the database that this run writes to, as far as it is known.
func (s *Store) Where() billing.Identity {
	if home := s.home.Load(); home != nil {
		return home.Identity
	}
	return billing.Identity{}
}

// Follow has what is written from now on name the timeline that the database is on, and
// says whether it is another one than before, or what was missing may not yet stand there.
// Two servers that were promoted without knowing of each other are on timelines of one
// number: this run's own row tells them apart.
func (s *Store) Follow(ctx context.Context) (moved bool, err error) {
	before := s.home.Load()
	if before == nil || before.timeline == "" {
		return false, nil
	}
	var now billing.Identity
	err = s.insist(ctx, readTime, func() error {
		if now, _, err = s.identity(ctx); err != nil {
			return err
		}
		if now.Timeline < before.timeline { // none on a standby, a lower one on an old primary
			_ = s.writer.close(ctx)
			return fmt.Errorf("%w, or an old primary: it is on timeline %q, and %s was seen", errStandby, now.Timeline, before.timeline)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	_, told, err := s.recorded(ctx)
	if err != nil || before.told && now.Timeline == before.timeline && told == before.place() {
		return false, err
	}
	s.home.Store(&home{Identity: now, timeline: now.Timeline, again: true})
	s.moved.Store(true)
	return true, nil
}

// ErrElsewhere says that a lock connection leads to another database than the one that is
// written to: its locks keep nobody away.
var ErrElsewhere = errors.New("the lock connection leads to another database than the writer's")

// SameDatabase refuses a lock connection that leads to another database. Parts of the
// identity that one of them can't say are not compared.
func (s *Store) SameDatabase(ctx context.Context, lock *pgx.Conn) error {
	writer, _, err := s.Identity(ctx)
	if err != nil {
		return err
	}
	var there billing.Identity
	for _, query := range s.sql.identityHere {
		err = lock.QueryRow(ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(&there.System, &there.Database, &there.Timeline)
		if !cantSay(err) {
			break
		}
	}
	switch {
	case cantSay(err):
		return nil
	case err != nil:
		return fmt.Errorf("ask which database the lock connection leads to: %w", err)
	case !there.Same(writer, false):
		return fmt.Errorf("%w: %s, and %s", ErrElsewhere, there, writer)
	}
	return nil
}

// Delivered reads what the ledger has of the invoices.
func (s *Store) Delivered(ctx context.Context, ids []billing.InvoiceID) (all map[billing.InvoiceID]*billing.Delivery, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.lookLedger, keys(ids))
		if err != nil {
			return err
		}
		defer rows.Close()
		all, err = scanDeliveries(rows)
		return err
	})
	return all, err
}

// BeginAgain writes intents that were lost, where nobody has decided otherwise since.
func (s *Store) BeginAgain(ctx context.Context, lost []billing.Lost) error {
	n := len(lost)
	ids, idempotency, versions, doubtful := make([]string, n), make([]string, n), make([]int16, n), make([]bool, n)
	attempts, runAttempts := make([]int32, n), make([]int32, n)
	bodies, requests, lookups := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	ages, deadlines := make([]float64, n), make([]float64, n)
	var billed amounts
	for i, l := range lost {
		ids[i], idempotency[i], versions[i], doubtful[i] = string(l.InvoiceID), l.Key, int16(l.KeyVersion), l.Doubtful
		attempts[i], runAttempts[i] = int32(l.Attempt), int32(l.RunAttempt)
		bodies[i], requests[i], lookups[i] = l.BodySHA256, l.RequestSHA256, l.LookupSHA256
		ages[i], deadlines[i] = l.Age.Seconds(), l.DeadlineIn.Seconds()
		billed.add(l.Amount)
	}
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.beginAgain, keys(ids), attempts, runAttempts, keys(idempotency), versions, doubtful, bodies,
			requests, lookups, ages, deadlines, billed.values, billed.currencies, s.runID())
		return w.commit(ctx, conn)
	})
}

// Recorded says whether the database knows that this run began.
func (s *Store) Recorded(ctx context.Context) (yes bool, err error) {
	yes, _, err = s.recorded(ctx)
	return yes, err
}

func (s *Store) recorded(ctx context.Context) (yes bool, place string, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.runRecorded, s.runID()).Scan(&yes, &place)
	})
	return yes, place, err
}

// RecordAgain tells the other runs that all that this one remembers stands again, and
// whether more than that may be lost.
func (s *Store) RecordAgain(ctx context.Context, more bool) error { return s.recordRun(ctx, more) }

// Behind names the unfinished runs that have not told so. lost: runs, the first of them, have
// told that more may be lost.
func (s *Store) Behind(ctx context.Context) (names []string, lost bool, err error) {
	home := s.home.Load()
	_, told, err := s.recorded(ctx)
	switch {
	case err != nil:
		return nil, false, err
	case told != home.place(): // they may have told so elsewhere
		return nil, false, billing.ErrFailedOver
	}
	return s.runsBehind(ctx, home.timeline, "")
}

// Living names the unfinished runs of the database that the ledger trusts, where that is
// another one by its timeline alone. all: also those that have written theirs again, and
// have still to have the ledger trust this one.
func (s *Store) Living(ctx context.Context, all bool) ([]string, error) {
	now, accepted, err := s.Identity(ctx)
	if err != nil || accepted == nil || now.Same(*accepted, false) || !now.Same(*accepted, true) {
		return nil, err
	}
	if all {
		names, _, err := s.runsBehind(ctx, "", "")
		return names, err
	}
	names, _, err := s.runsBehind(ctx, "", accepted.Timeline)
	return names, err
}

func (s *Store) runsBehind(ctx context.Context, other, on string) (names []string, lost bool, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.runsBehind, s.runID(), other, on)
		if err != nil {
			return err
		}
		var name string
		var thisOne bool
		names, lost = nil, false
		_, err = pgx.ForEachRow(rows, []any{&name, &thisOne}, func() error {
			names, lost = append(names, name), lost || thisOne
			return nil
		})
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("look for runs that have lived through the fail-over: %w", err)
	}
	return names, lost, nil
}

// Accept has the ledger trust the database that this run writes to.
func (s *Store) Accept(ctx context.Context, reason string) error {
	return s.AcceptIdentity(ctx, s.Where(), billing.ByRun, reason)
}

// Doubt writes down that the database may have forgotten what was sent, and says how long
// ago the newest request was sent that it knew as this run began to write again.
func (s *Store) Doubt(ctx context.Context, since time.Time) (age time.Duration, err error) {
	_, age, err = s.foundIdentity(ctx, s.Where(), time.Since(since))
	return age, err
}
