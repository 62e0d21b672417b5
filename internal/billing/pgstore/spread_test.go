package pgstore_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// P2: a shared run keeps away from where others are at work, but it does not end
// before a whole pass: what is free among much that is held is found, wherever
// the passes begin, without any lingering.
func TestP2SharedRunFindsWhatIsFreeAmongWhatIsHeld(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1000)
	other, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if _, err := other.Exec(t.Context(), "select pg_advisory_lock(id) from invoices where id % 10 <> 0"); err != nil {
		t.Fatal(err)
	}
	a := &api{}
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.Spread, c.Place, c.Linger = true, 0.5, 0 })
	s := r.Run(t.Context(), nil)
	if s.Sent != 100 || s.HeldByOther != 900 || s.ExitCode() != billing.ExitStopped {
		t.Errorf("exit code %d, summary %+v", s.ExitCode(), s)
	}
}

func TestCountAhead(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 100)
	execute(t, cfg, "update invoices set pending = false where id between 41 and 50")
	s, _ := openStore(t, cfg, "advisory")
	rest := s.KeepRunLock(nil, "billing", advisory.Shared)
	from, to := billing.InvoiceID("30"), billing.InvoiceID("60")
	for name, c := range map[string]struct {
		after, upTo *billing.InvoiceID
		most, want  int
	}{
		"all":      {nil, nil, 1000, 90},
		"so many":  {nil, nil, 90, 90},
		"no more":  {&from, nil, 20, 20},
		"behind":   {&from, nil, 1000, 60},
		"up to":    {nil, &to, 1000, 50},
		"a range":  {&from, &to, 1000, 20},
		"an empty": {&to, &from, 1000, 0},
	} {
		if n, err := rest.CountAhead(t.Context(), c.after, c.upTo, c.most); err != nil || n != c.want {
			t.Errorf("%s: %d (%v), want %d", name, n, err, c.want)
		}
	}
}
