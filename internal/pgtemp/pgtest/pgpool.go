package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/pgtemp"
)

// pgpoolConfig balances: whatever pgpool-II takes for a read goes to the standby.
const pgpoolConfig = `listen_addresses = '127.0.0.1'
port = %[1]d
pcp_listen_addresses = ''
socket_dir = '%[2]s'
pcp_socket_dir = '%[2]s'
pid_file_name = '%[2]s/pgpool.pid'
logdir = '%[2]s'
backend_clustering_mode = 'streaming_replication'
load_balance_mode = on
backend_hostname0 = '127.0.0.1'
backend_port0 = %[3]s
backend_weight0 = 0
backend_hostname1 = '127.0.0.1'
backend_port1 = %[4]s
backend_weight1 = 1
sr_check_user = '%[5]s'
sr_check_password = '%[6]s'
sr_check_period = 1
enable_pool_hba = off
pool_passwd = ''
allow_clear_text_frontend_auth = on
num_init_children = 40
`

// Pgpool starts a real pgpool-II before a primary and its standby, with load balancing,
// and returns the same database's URL through it.
func Pgpool(t testing.TB, primary, standby *pgtemp.Server, database string) string {
	t.Helper()
	program := Program(t, "pgpool", "pgpool2")
	to := func(s *pgtemp.Server) *url.URL {
		u, err := url.Parse(s.URL(database))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	u, port, dir := to(primary), freePort(t), t.TempDir()
	password, _ := u.User.Password()
	text := fmt.Sprintf(pgpoolConfig, port, dir, u.Port(), to(standby).Port(), u.User.Username(), password)
	file := filepath.Join(dir, "pgpool.conf")
	for name, text := range map[string]string{file: text, filepath.Join(dir, "pcp.conf"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-n", "-D", "-f", file, "-F", filepath.Join(dir, "pcp.conf")) // cleanups that come before ours may need it
	log := &logTail{}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatalf("start pgpool-II: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt) // fast: it ends its children
		select {
		case <-ended:
		case <-time.After(stopPatience):
			_ = c.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("pgpool-II:\n%s", log)
		}
	})
	u.Host = fmt.Sprintf("127.0.0.1:%d", port)
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	for again := time.NewTicker(startPoll); !answers(t, u.String()); {
		select {
		case <-ended:
			t.Fatalf("pgpool-II ended as it was started:\n%s", log)
		case <-again.C:
		}
	}
	return u.String()
}

const stopPatience = 10 * time.Second
