package pgtemp

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// The programs of a fetched PostgreSQL, as far as fetching goes: how a real one
// behaves once it is found is every other test's subject.
const (
	goodInitdb = "#!/bin/sh\nexit 0\n"
	badInitdb  = "#!/bin/sh\necho 'wrong machine' >&2\nexit 1\n"
)

// archive is a file as the library downloads it: an archive within an archive.
func archive(t *testing.T, initdb string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"postgres": goodInitdb, "pg_ctl": badInitdb, "initdb": initdb} {
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("there is no xz here, to make an archive with")
	}
	packed, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-cJf", "-", "bin").Output()
	if err != nil {
		t.Fatalf("tar: %v", err)
	}
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("postgres.txz")
	if err == nil {
		_, err = w.Write(packed)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

// fetcherFrom fetches from a repository that serve answers for.
func fetcherFrom(t *testing.T, serve http.HandlerFunc) fetcher {
	t.Helper()
	repository := httptest.NewServer(serve)
	t.Cleanup(repository.Close)
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.MkdirTemp("", "billonce-test-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(cache) })
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	return fetcher{account: a, cache: cache, library: embeddedpostgres.DefaultConfig().BinaryRepositoryURL(repository.URL)}
}

func jarOnly(jar []byte, downloads *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		downloads.Add(1)
		_, _ = w.Write(jar)
	}
}

func TestFetchedOnce(t *testing.T) {
	// A PostgreSQL in a container, say: what is fetched must not care.
	if busy, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:5432"); err == nil {
		defer busy.Close()
	}
	var downloads atomic.Int32
	f := fetcherFrom(t, jarOnly(archive(t, goodInitdb), &downloads))
	var told []string
	f.tell = func(what string) { told = append(told, what) }
	var bins [2]string
	for i := range bins {
		var err error
		if bins[i], err = f.fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if bins[0] != bins[1] || !filepath.IsAbs(bins[0]) || !complete(bins[0]) {
		t.Errorf("programs in %q, then %q", bins[0], bins[1])
	}
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads", n)
	}
	if len(told) != 1 || !strings.Contains(told[0], f.cache) {
		t.Errorf("told: %q", told)
	}
	// A server's programs are started by its account, and in another folder.
	run := f.account.process(exec.CommandContext(t.Context(), filepath.Join(bins[0], "initdb")))
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("the server's account can't run what was fetched: %v %s", err, out)
	}
	assertKept(t, f.cache, "postgresql-"+string(fetchedVersion), "postgresql-"+string(fetchedVersion)+".lock")
}

func TestFetchedByManyAtOnce(t *testing.T) {
	t.Parallel()
	var downloads atomic.Int32
	f := fetcherFrom(t, jarOnly(archive(t, goodInitdb), &downloads))
	came := make(chan error)
	const many = 4
	for range many {
		go func() {
			_, err := f.fetch(t.Context())
			came <- err
		}()
	}
	for range many {
		if err := <-came; err != nil {
			t.Error(err)
		}
	}
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads", n)
	}
}

func TestFetchedInVain(t *testing.T) {
	t.Parallel()
	var downloads atomic.Int32
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"no such file":   {http.NotFound, "no version found"},
		"not an archive": {jarOnly([]byte("<html>log in</html>"), &downloads), "zip"},
		"does not work":  {jarOnly(archive(t, badInitdb), &downloads), "wrong machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetcherFrom(t, c.serve)
			for range 2 { // what failed is not taken for good the next time
				_, err := f.fetch(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
			}
			assertKept(t, f.cache, "postgresql-"+string(fetchedVersion)+".lock")
		})
	}
}

func TestFetchingCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	over := make(chan struct{})
	f := fetcherFrom(t, func(http.ResponseWriter, *http.Request) {
		cancel(enough)
		<-over
	})
	t.Cleanup(func() { close(over) })
	if _, err := f.fetch(ctx); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
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
