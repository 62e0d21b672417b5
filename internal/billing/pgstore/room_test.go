package pgstore_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// fillTheTable takes session locks until there is no room, and gives some back.
const fillTheTable = `do $$ begin
	begin
		for n in 1 .. 1000000 loop perform pg_advisory_lock(2, n); end loop;
	exception when out_of_memory then null; -- SQLSTATE 53200; session locks outlive it
	end;
	for n in 1 .. 60 loop perform pg_advisory_unlock(2, n); end loop;
end $$`

// A table that others fill while the run is under way: the claim shrinks, stays
// small, and says so once.
func TestClaimShrinksAsTheTableFills(t *testing.T) {
	t.Parallel()
	const invoices, size = 400, 120
	server := pgtest.Server(t, map[string]string{"max_locks_per_transaction": "10"})
	cfg, err := pgstore.ParseURL(server.URL("postgres"), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, invoices); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	store, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory", Row: true, Log: zerolog.New(&log),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(t.Context())
	if got := store.ClaimSize(size); got != size {
		t.Fatalf("claims of %d, want %d: the table is empty", got, size)
	}
	candidates, err := store.Scan(t.Context(), nil, nil, size)
	if err != nil || len(candidates) != size {
		t.Fatalf("%d candidates, %v", len(candidates), err)
	}
	claimer := newClaimer(t, store)
	claim := func() int {
		t.Helper()
		c, err := claimer.Claim(t.Context(), candidates)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(c.IDs)
	}
	if got := claim(); got != size {
		t.Errorf("%d claimed, want %d", got, size)
	}

	other, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if _, err := other.Exec(t.Context(), fillTheTable); err != nil {
		t.Fatal(err)
	}
	few := claim()
	if few == 0 || few >= size {
		t.Errorf("%d claimed from a table that is nearly full", few)
	}
	if again := claim(); again != few {
		t.Errorf("%d claimed, then %d: a claim that was too large is not tried again", few, again)
	}
	if n := strings.Count(log.String(), "max_locks_per_transaction"); n != 1 {
		t.Errorf("it is said %d times, want once:\n%s", n, log.String())
	}
}
