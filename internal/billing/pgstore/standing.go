package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standing is what earlier runs have left for one that begins.
type Standing struct {
	Wait  time.Duration     // the API has asked for, from now; 0: it takes requests
	Tried bool              // a request was accepted under the same settings
	Last  map[string]string // the settings of the last run of which one was accepted; nil: there is none
}

// ReadStanding reads it for a run with these settings' fingerprints.
func (s *Store) ReadStanding(ctx context.Context, settings map[string]string) (st Standing, err error) {
	text, err := json.Marshal(settings) // through a pooler parameters have no type
	if err != nil {
		return st, err
	}
	var wait *float64
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.runSettings, string(text)).Scan(&wait, &st.Tried, &st.Last)
	})
	if err != nil {
		return st, fmt.Errorf("read what earlier runs have left: %w", err)
	}
	if wait != nil {
		st.Wait = seconds(*wait)
	}
	return st, nil
}

// standingPatience is short: it costs the next run a request, no more.
const standingPatience = 10 * time.Second

// Accepted implements the engine's Standing.
func (s *Store) Accepted(ctx context.Context) error {
	return s.writeStanding(ctx, s.sql.runAccepted, s.runID())
}

// Throttled implements the engine's Standing.
func (s *Store) Throttled(ctx context.Context, wait time.Duration) error {
	return s.writeStanding(ctx, s.sql.runThrottled, wait.Seconds())
}

func (s *Store) writeStanding(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), standingPatience,
		fmt.Errorf("the database was away for %s", standingPatience))
	defer cancel()
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(statement, args...)
		return w.commit(ctx, conn)
	})
}
