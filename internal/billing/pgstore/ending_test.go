package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// What the database does not take is tried again until the process must end, and no
// longer; the error is of what could not be written.
func TestP7SettlingEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	a := &api{}
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.Idempotent = true })
	intents := []billing.Intent{{InvoiceID: "1", Key: "11111111-1111-4111-8111-111111111111", Attempt: 1, RunAttempt: 1}, {InvoiceID: "2", Key: "11111111-1111-4111-8111-111111111112", Attempt: 1, RunAttempt: 1}}
	if ours, err := intend(t.Context(), r.Ledger, intents, r.Timeout); err != nil || len(ours) != 2 {
		t.Fatal(ours, err)
	}
	other, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), "begin; lock table billonce.deliveries"); err != nil {
		t.Fatal(err)
	}
	end, giveUp := context.WithCancelCause(t.Context())
	over := errors.New("it must end")
	var group []billing.Settlement
	for _, i := range intents {
		group = append(group, billing.Settlement{InvoiceID: i.InvoiceID, RunID: r.RunID, Attempt: 1, RunAttempt: 1, State: billing.Sent, Status: 200})
	}
	done := make(chan error)
	var came []billing.Settled
	stopped, stop := context.WithCancel(advisory.WithEnd(t.Context(), end))
	go func() {
		var err error
		came, err = settlingOf(r.Ledger)(stopped, group)
		done <- err
	}()
	waitForLock(t, cfg)
	stop() // by itself it ends no settling
	waitForLock(t, cfg)
	giveUp(over)
	if err := <-done; err == nil {
		t.Error("no error says that nothing was written")
	}
	for i, c := range came {
		if c != billing.NotSettled {
			t.Errorf("invoice %s: %v, want not settled", group[i].InvoiceID, c)
		}
	}
}

// waitForLock returns once a connection of the database's waits for a lock.
func waitForLock(t *testing.T, cfg *pgx.ConnConfig) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for waits := false; !waits; {
		err := conn.QueryRow(t.Context(), "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')").Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Where there is no room for one more connection, no claim stands in for those that slow
// requests keep open, and the run goes on.
func TestP7NoRoomToStandIn(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 100)
	admin, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	role := "r_" + cfg.Database
	const most = 5 // the writer, the settler and three claims
	for _, statement := range []string{
		fmt.Sprintf("create role %s login password 'x' connection limit %d", role, most),
		"grant all on schema public, billonce to " + role,
		"grant all on all tables in schema public, billonce to " + role,
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(context.Background(), fmt.Sprintf("drop owned by %s; drop role %[1]s", role))
	})
	cfg = cfg.Copy()
	cfg.User, cfg.Password = role, "x"
	release := make(chan struct{})
	a := &api{reply: func(billing.Request, int) billing.Reply {
		<-release
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.Idempotent, c.ClaimSize, c.Concurrency = true, 1, 32 })
	if err := r.Ledger.(*pgstore.Store).ConnectAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Log = zerolog.New(&noted{text: "no claim stands in", met: func() { close(release) }})
	if s := r.Run(t.Context(), nil); s.Sent != 100 || s.Err != nil {
		t.Errorf("summary %+v", s)
	}
}

// noted calls met when a text is logged for the first time.
type noted struct {
	text string
	met  func()
	once sync.Once
}

func (n *noted) Write(line []byte) (int, error) {
	if strings.Contains(string(line), n.text) {
		n.once.Do(n.met)
	}
	return len(line), nil
}
