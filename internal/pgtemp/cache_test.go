package pgtemp

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// newCache makes the user's cache a folder that the server's account can enter.
func newCache(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "billonce-test-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", home)
	cache, err := cacheFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// programs puts into a folder what stands for a server's, as far as keeping goes: how
// a real one behaves once it is found is every other test's subject.
func programs(initdb string, times *atomic.Int32) func(context.Context, string) error {
	return func(_ context.Context, dir string) error {
		times.Add(1)
		bin := filepath.Join(dir, "bin")
		return errors.Join(os.Mkdir(bin, 0o755),
			os.WriteFile(filepath.Join(bin, "postgres"), []byte("#!/bin/sh\n"), 0o755),
			os.WriteFile(filepath.Join(bin, "initdb"), []byte("#!/bin/sh\n"+initdb+"\n"), 0o755))
	}
}

func TestKeptOnceByMany(t *testing.T) {
	cache := newCache(t)
	var times atomic.Int32
	const many = 4
	came := make(chan error)
	for range many {
		go func() { came <- Keep(t.Context(), "15.1.0", programs("exit 0", &times)) }()
	}
	for range many {
		if err := <-came; err != nil {
			t.Error(err)
		}
	}
	if n := times.Load(); n != 1 {
		t.Errorf("got %d times", n)
	}
	if err := Keep(t.Context(), "9.6.0", programs("exit 0", &times)); err != nil {
		t.Fatal(err)
	}
	assertKept(t, cache, "lock", "postgresql-15.1.0", "postgresql-9.6.0")
	bin, err := newest(filepath.Join(cache, kept+"*", "bin"))
	if want := filepath.Join(cache, "postgresql-15.1.0", "bin"); err != nil || bin != want {
		t.Errorf("found %q, %v, want %q", bin, err, want)
	}
	// A server's programs are started by its account, and in another folder.
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := a.process(exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"))).CombinedOutput(); err != nil {
		t.Errorf("the server's account can't run what is kept: %v %s", err, out)
	}
	if found, err := keptServer(t.Context()); err != nil || found != bin {
		t.Errorf("found %q, %v, want %q", found, err, bin)
	}
}

func TestKeptOnlyWhole(t *testing.T) {
	cache := newCache(t)
	var times atomic.Int32
	for range 2 { // what failed is not taken for good the next time
		err := Keep(t.Context(), "15.1.0", programs("echo 'wrong machine' >&2; exit 1", &times))
		if err == nil || !strings.Contains(err.Error(), "wrong machine") {
			t.Errorf("%v", err)
		}
		assertKept(t, cache, "lock")
	}
	if n := times.Load(); n != 2 {
		t.Errorf("got %d times", n)
	}
	if _, err := keptServer(t.Context()); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
	// A kill in between leaves this, and no more.
	if err := os.MkdirAll(filepath.Join(cache, "new", "postgresql", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Keep(t.Context(), "15.1.0", programs("exit 0", &times)); err != nil {
		t.Fatal(err)
	}
	assertKept(t, cache, "lock", "postgresql-15.1.0")
}

// assertKept says what a folder holds.
func assertKept(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}
