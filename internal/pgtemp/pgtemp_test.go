package pgtemp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

const (
	asParent     = "BILLONCE_TEST_PARENT_IN"
	waitForDeath = 30 * time.Second
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(asParent); dir != "" {
		parentMain(dir)
	}
	goleak.VerifyTestMain(m)
}

// parentMain starts a server, tells its process id, and waits to be killed.
func parentMain(dir string) {
	s, err := Start(context.Background(), Options{Dir: dir, FastUnsafe: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.PID())
	select {}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.FastUnsafe = true
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s.dir != o.Dir { // where the account can't enter the test's folder
			_ = os.RemoveAll(s.dir)
		}
	})
	return s
}

func execute(t *testing.T, s *Server, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, s *Server, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), statement).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestServerKeepsItsDataAndIsJoined(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".billonce")
	first := start(t, Options{Dir: dir})
	guest := start(t, Options{Dir: dir})
	execute(t, guest, "create table kept (a int)")
	if guest.PID() != 0 || guest.port != first.port {
		t.Errorf("the second start made a server of its own: pid %d, port %d", guest.PID(), guest.port)
	}
	if err := guest.Close(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, first, "select 'alive'"); got != "alive" {
		t.Errorf("after the guest's end: %q", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: dir})
	if got := query(t, again, "select count(*)::text from kept"); got != "0" {
		t.Errorf("kept: %q", got)
	}
}

func TestTemporaryServerLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Temporary: true})
	dir := s.options.Dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind (%v)", dir, err)
	}
}

func TestServerSurvivesImmediateRestart(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Temporary: true})
	port := s.port
	if err := s.Restart(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "select 'back'"); got != "back" || s.port != port {
		t.Errorf("after the restart: %q on port %d", got, s.port)
	}
}

// A server must not outlive its command, whatever ends that.
func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent said %q", line)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(waitForDeath)
	defer deadline.Stop()
	for alive(pid) {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("PostgreSQL (process %d) outlived its parent by %s", pid, waitForDeath)
		}
	}
	// And what it left can be started again.
	s := start(t, Options{Dir: dir})
	query(t, s, "select 'recovered'")
}

// alive says whether a process runs; a zombie, whose parent has not waited for
// it yet, does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !bytes.HasPrefix(bytes.TrimSpace(out), []byte("Z")) && len(bytes.TrimSpace(out)) > 0
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	fake := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(fake, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	env := func(values map[string]string) func(string) string {
		return func(name string) string { return values[name] }
	}
	got, err := installed(env(map[string]string{"POSTGRES_BIN": fake}))
	if err != nil || got != fake {
		t.Errorf("POSTGRES_BIN: %q, %v", got, err)
	}
	got, err = installed(env(map[string]string{"PATH": empty + ":" + fake}))
	if err != nil || got != fake {
		t.Errorf("PATH: %q, %v", got, err)
	}
	links := t.TempDir()
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.Symlink(filepath.Join(fake, name), filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err = installed(env(map[string]string{"PATH": links}))
	if err != nil || got != fake {
		t.Errorf("links in PATH: %q, %v", got, err)
	}
	_, err = installed(env(map[string]string{"POSTGRES_BIN": empty, "PATH": fake}))
	if err == nil || !strings.Contains(err.Error(), "POSTGRES_BIN") {
		t.Errorf("a wrong POSTGRES_BIN: %v", err)
	}
}

func TestByVersionDescending(t *testing.T) {
	t.Parallel()
	if byVersionDescending("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9/bin") >= 0 {
		t.Error("15 must come before 9")
	}
	if byVersionDescending("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin") <= 0 {
		t.Error("17 must come before 15")
	}
}
