package pgdesk_test

import (
	"errors"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/desk"
)

// People's SQL is the runs': else prune would take others for pending.
func TestP2PruneRefusesAnotherRunsSQL(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	execute(t, cfg, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, program, settled_at, mark_sent_sha256, pending_sha256)
		values (gen_random_uuid(), 'billonce', 'advisory', 'shared', 'x', 'x', 4, now(), sha256('x'), sha256('x'))`)
	if _, err := openDesk(t, cfg).Prune(t.Context(), 400*24*time.Hour, func(desk.Pruned) {}); !errors.Is(err, desk.ErrMarking) {
		t.Errorf("%v, want %v", err, desk.ErrMarking)
	}
}
