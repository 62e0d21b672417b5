package pgstore_test

import (
	"testing"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// What is committed outlives the server's crash, though the DBA's default lets a
// commit return before it is written (manual, 20.5.1): a lost intent would be a
// second request, a lost settlement doubt.
func TestCommitsOutliveACrash(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, map[string]string{
		// What is not waited for is written in ten seconds, and by nobody before.
		"synchronous_commit": "off", "wal_writer_delay": "10s", "autovacuum": "off",
	})
	cfg, err := pgstore.ParseURL(server.URL("postgres"), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil {
		t.Fatal(err)
	}
	execute(t, cfg, "checkpoint")
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2")
	settle(t, s, sent(run, "1"))
	if err := server.Restart(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]int{"sent": 1, "sending": 1} {
		if got := query[int](t, cfg, "select count(*) from billonce.deliveries where state = $1", state); got != want {
			t.Errorf("after the crash %d deliveries are %s, want %d", got, state, want)
		}
	}
}
