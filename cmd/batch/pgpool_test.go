package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P6 through a real pgpool-II that balances reads over a standby: nothing that a run
// reads comes from there, and it works every time.
func TestP6Pgpool(t *testing.T) {
	t.Parallel()
	const invoices = 100
	pgtest.Program(t, "pgpool", "pgpool2")
	primary := pgtest.Server(t, nil)
	b := newBookAt(t, primary.URL("postgres"), invoices, billingfake.Config{})
	standby := pgtest.Standby(t, primary)
	pooled := pgtest.Pgpool(t, primary, standby, "postgres")
	stopFollowing(t, b, standby) // what is read there is old
	for _, env := range [][]string{{"LOCK_STRATEGY=advisory"}, {"LOCK_STRATEGY=row"}, {"RUN_LOCK=shared"}, {"RUN_LOCK=off"}} {
		b.execute("update public.invoices set pending = true; delete from billonce.deliveries")
		before := b.api.Counts().Requests
		b.start(append(env, "DATABASE_URL="+pooled)...).wantExit(0)
		b.wantStates("sent/false=100")
		if n := b.api.Counts().Requests - before; n != invoices {
			t.Errorf("%v: %d requests", env, n)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"status", "--json"}, []string{"DATABASE_URL=" + pooled}, &out, &out); code != 0 || !strings.Contains(out.String(), `"pending": 0`) {
		t.Errorf("status: exit %d:\n%s", code, &out)
	}
}
