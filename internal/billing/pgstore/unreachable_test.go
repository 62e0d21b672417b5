package pgstore

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Each way in which no connection comes to be has a remedy of its own, in one line.
func TestUnreachableSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][2]string{
		"postgres://u:s3cret@127.0.0.1:1/d":               {"nothing listens at 127.0.0.1:1", "listen_addresses"},
		"postgres://u:s3cret@no-such-host.invalid:5432/d": {"no-such-host.invalid", "DNS"},
		"postgres:///d?host=/nowhere&user=u":              {"no socket /nowhere/.s.PGSQL.5432", "the folder"},
	} {
		cfg, err := ParseURL(url, "test")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err == nil {
			_ = conn.Close(t.Context())
			t.Fatalf("%s: connected", url)
		}
		seen, remedy := Unreachable("DATABASE_URL", cfg, err)
		if !strings.Contains(seen, want[0]) || !strings.Contains(remedy, want[1]) || strings.Contains(seen+remedy, "s3cret") || strings.Contains(seen+remedy, "\n") {
			t.Errorf("%s: %q, %q", url, seen, remedy)
		}
	}
}

func TestPasswordsThatAreNotEncoded(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"postgres://u:pa#s3cret@h/d": true, "postgres://u:pa/s3cret@h/d": true, "postgres://u:12#s3cret@h/d": true, "postgres://u:pa%zz@h/d": true,
		"postgres://u:pa%23s@h/d": false, "postgres://h:5432/d?user=me@server": false,
	} {
		faults := CheckURL("DATABASE_URL", url)
		if (len(faults) == 1 && strings.Contains(faults[0].Problem, "percent-encoded")) != want || len(faults) == 1 && strings.Contains(faults[0].Problem, "s3cret") {
			t.Errorf("%s: %v", url, faults)
		}
	}
}
