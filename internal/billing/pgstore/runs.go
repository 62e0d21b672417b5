package pgstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// RunRecord describes a run in the ledger.
type RunRecord struct {
	Name, Strategy, RunLock, Application, Version string

	Settings  map[string]string // fingerprints, by variable
	Job       string            // JOB_NAME
	CouldSend *int64            // invoices; nil: not counted

	MarkSent, Pending string // INVOICES_MARK_SENT and INVOICES_PENDING, as they were written
}

// StartRun records that the run began.
func (s *Store) StartRun(ctx context.Context, r RunRecord) error {
	s.record.Store(&r)
	return s.recordRun(ctx, false)
}

// recordRun writes the run's row, where it is missing, and which database it sees; lost: it
// may have forgotten more than this run remembers.
func (s *Store) recordRun(ctx context.Context, lost bool) error {
	r := s.record.Load()
	settings, err := json.Marshal(r.Settings)
	if err != nil {
		return err
	}
	home := s.home.Load()
	var seen struct {
		billing.Identity
		Server string `json:"server,omitempty"`
	}
	if home != nil {
		seen.Identity, seen.Server = home.Identity, home.Server
	}
	identity, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	mark, pending := sha256.Sum256([]byte(r.MarkSent)), sha256.Sum256([]byte(r.Pending))
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.runStart, s.runID(), r.Name, r.Strategy, r.RunLock, r.Application, r.Version, string(settings), r.Job, r.CouldSend,
			mark[:], pending[:], string(identity), lost)
		return w.commit(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	s.stayHome(home)
	return nil
}

// finishPatience is short: everything else is in the ledger.
const finishPatience = 10 * time.Second

// write runs a transaction that may be repeated, again where the connection breaks.
func (s *Store) write(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return persist(ctx, func() error { return s.writer.use(ctx, f) }, func(err error, try int) {
		s.cfg.Log.Warn().Err(err).Int("try", try).Msg("writing to the ledger again")
	})
}

// FinishRun records how the run ended.
func (s *Store) FinishRun(ctx context.Context, exitCode int, summary billing.Summary) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	var open, at, groups any // null where it was not counted
	if summary.Counted {
		text, err := json.Marshal(summary.AllOpen.Groups)
		if err != nil {
			return err
		}
		open, at, groups = summary.Open, summary.AllOpen.At, string(text)
	}
	ctx, cancel := context.WithTimeoutCause(advisory.Detach(ctx), finishPatience,
		fmt.Errorf("the database was away for %s", finishPatience))
	defer cancel()
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.runFinish, s.runID(), exitCode, s.inEncoding(string(text)), open, groups, at)
		return w.commit(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("record the run's end: %w", err)
	}
	s.nameForeign(ctx, true)
	return nil
}
