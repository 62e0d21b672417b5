package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// TestScripts runs the promises of the command line, one a file.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// Else an embedded server's account, where root runs the tests, can't
			// enter the script's folder, and its data would lie elsewhere.
			if err := errors.Join(os.Chmod(filepath.Dir(e.WorkDir), 0o755), os.Chmod(e.WorkDir, 0o755)); err != nil {
				return err
			}
			// A script has no home; a fetched PostgreSQL is kept in ours.
			if cache, err := os.UserCacheDir(); err == nil {
				e.Setenv("XDG_CACHE_HOME", cache)
			}
			e.Setenv("RUN_CANARY", "0")
			e.Setenv("BILLING_LOOKUP_AFTER", "0s")
			e.Setenv("TESTDB", pgtest.DB(e.T().(testing.TB), "empty", nil))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitCode, "sql": runSQL, "await": awaitSQL},
	})
}

// runSQL runs SQL in the script's database: sql 'update …'.
func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := pgx.Connect(context.Background(), ts.Getenv("TESTDB"))
	ts.Check(err)
	defer conn.Close(context.Background())
	ts.Check(conn.PgConn().Exec(context.Background(), args[0]).Close())
}

// awaitSQL waits until a question in the script's database is answered by true,
// or nobody is left who would make it so: await 'select …'.
func awaitSQL(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, ts.Getenv("TESTDB"))
	ts.Check(err)
	defer conn.Close(context.Background())
	for yes := false; !yes; {
		ts.Check(conn.QueryRow(ctx, args[0]).Scan(&yes))
		for _, command := range ts.BackgroundCmds() {
			if command.Process.Signal(syscall.Signal(0)) != nil {
				ts.Fatalf("%v ended before it came true", command.Args)
			}
		}
	}
}

// exitCode runs a command and wants this exit code: exitcode 2 batch run.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
