package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// poolerConfig lets nothing pass that PgBouncer does not pass by default: it
// refuses start-up parameters that it does not know. `any` takes every client
// for the one user that the databases are configured with.
const poolerConfig = `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 20
max_client_conn = 200
`

// PgBouncer starts a real one before the server of url, in the pool mode
// session, transaction or statement, and returns the same database's URL
// through it. Settings, name = value, come last.
func PgBouncer(t testing.TB, database, mode string, settings ...string) string {
	t.Helper()
	program := Program(t, "pgbouncer", "pgbouncer")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	password, _ := u.User.Password()
	file := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf(poolerConfig, u.Hostname(), u.Port(), u.User.Username(), password, port, mode)
	text += strings.Join(settings, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", file}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "postgres"}, args...) // it refuses to stay root
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...) // cleanups that come before ours may need it
	log := &logTail{}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("PgBouncer, pool_mode = %s:\n%s", mode, log)
		}
	})
	u.User, u.Host = url.UserPassword("client", "-"), fmt.Sprintf("127.0.0.1:%d", port)
	for again := time.NewTicker(startPoll); !answers(t, u.String()); {
		select {
		case <-ended:
			t.Fatalf("PgBouncer ended as it was started:\n%s", log)
		case <-again.C:
		}
	}
	return u.String()
}

// answers says whether a server can be connected to.
func answers(t testing.TB, url string) bool {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	return conn.Close(t.Context()) == nil
}

// Program finds a program that a test needs, of this Debian package. Without
// it the test is skipped, but not where everything must be tested.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if p := filepath.Join(dir, name); isFile(p) {
				return p
			}
		}
		missing := fmt.Sprintf("%s is missing: apt-get install %s", name, debianPackage)
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}
