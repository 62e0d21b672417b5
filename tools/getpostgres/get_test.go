package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/billonce/billonce/internal/pgtemp"
)

// machine is one without PostgreSQL, whose PATH holds what a test puts there.
type machine struct {
	t    *testing.T
	path string
	root string // where Debian's packages go
	log  string // the programs that were run
	out  bytes.Buffer
	npm  npm
	apt  apt
	lib  library
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "billonce-test-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &machine{t: t, path: filepath.Join(dir, "path"), root: filepath.Join(dir, "debian"), log: filepath.Join(dir, "log")}
	for _, sub := range []string{"", "path", "debian"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, sub), 0o755), os.Chmod(filepath.Join(dir, sub), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("PATH", m.path)
	nothing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nothing.Close)
	archive := packed(t, map[string]string{
		"package/native/bin/postgres":     script("exit 0"),
		"package/native/bin/initdb":       script(`[ -r "${0%/*}/../lib/libpq.so.5" ]`),
		"package/native/lib/libpq.so.5.1": "a library",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libpq.so.5.1","target":"native/lib/libpq.so.5"}]`,
		"package/dist/index.js":           "not ours",
	})
	sum := sha512.Sum512(archive)
	m.npm = npm{release{"1.2.3", "linux-x64", base64.StdEncoding.EncodeToString(sum[:])}, pgtemp.Keep}
	m.write(filepath.Join(dir, "package.tgz"), string(archive), 0o644)
	m.apt = apt{root: true}
	m.lib = library{embeddedpostgres.DefaultConfig().BinaryRepositoryURL(nothing.URL), pgtemp.Keep}
	return m
}

func script(text string) string { return "#!/bin/sh\n" + text + "\n" }

func (m *machine) write(path, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

// program puts one on PATH that tells the log of its run.
func (m *machine) program(name, text string) {
	m.t.Helper()
	m.write(filepath.Join(m.path, name), script(fmt.Sprintf("echo %s \"$*\" >>%s\nPATH=/usr/bin:/bin\n%s", name, m.log, text)), 0o755)
}

// npmWorks and aptWorks have programs do what npm and apt-get do.
func (m *machine) npmWorks() {
	m.program("npm", `[ "$1" = pack ] && cp "$HOME/package.tgz" "$4/" && echo package.tgz`)
}

func (m *machine) aptWorks() {
	m.program("apt-get", fmt.Sprintf(`if [ "$1" = install ]; then cd %s && for p in postgres initdb; do printf '#!/bin/sh\n' >$p; chmod +x $p; done; fi`, m.root))
}

// find looks where this machine's packages go; a real one's must not be found.
func (m *machine) find(ctx context.Context) (string, error) {
	if _, err := os.Stat(filepath.Join(m.root, "postgres")); err == nil {
		return m.root, nil
	}
	cached, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "billonce", "postgresql-*", "bin"))
	if err != nil || len(cached) == 0 {
		return "", errors.Join(err, pgtemp.ErrNone)
	}
	return cached[0], ctx.Err()
}

func (m *machine) get() error {
	return get(m.t.Context(), m.find, []way{m.npm, m.apt, m.lib}, &m.out)
}

// ran are the names of the programs that were run, and their first arguments.
func (m *machine) ran() string {
	text, _ := os.ReadFile(m.log)
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Join(strings.Fields(line)[:2], " "))
	}
	return strings.Join(all, ", ")
}

func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		// As npm packs them: nothing may be run.
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(m *machine)
		ran     string
		found   bool
	}{
		"one is there":         {func(m *machine) { m.npmWorks(); m.aptWorks(); m.install() }, "", true},
		"npm":                  {func(m *machine) { m.npmWorks(); m.aptWorks() }, "npm pack", true},
		"no npm":               {func(m *machine) { m.aptWorks() }, "apt-get update, apt-get install", true},
		"no package":           {func(m *machine) { m.npm.platform = ""; m.npmWorks(); m.aptWorks() }, "apt-get update, apt-get install", true},
		"npm fails":            {func(m *machine) { m.program("npm", "exit 1"); m.aptWorks() }, "npm pack, apt-get update, apt-get install", true},
		"a wrong package":      {func(m *machine) { m.npm.sha512 = "other"; m.npmWorks(); m.aptWorks() }, "npm pack, apt-get update, apt-get install", true},
		"not as root":          {func(m *machine) { m.program("npm", "exit 1"); m.aptWorks(); m.apt.root = false }, "npm pack", false},
		"apt-get fails":        {func(m *machine) { m.program("apt-get", "exit 1") }, "apt-get update", false},
		"apt-get is of no use": {func(m *machine) { m.program("apt-get", "exit 0") }, "apt-get update, apt-get install", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			c.prepare(m)
			err := m.get()
			if found := err == nil; found != c.found || !found && !errors.Is(err, pgtemp.ErrNone) {
				t.Errorf("%v", err)
			}
			if got := m.ran(); got != c.ran {
				t.Errorf("ran %q, want %q", got, c.ran)
			}
		})
	}
}

// What harms the machine least, and is checked, comes first.
func TestWays(t *testing.T) {
	t.Parallel()
	var names []string
	for _, w := range ways() {
		names = append(names, w.String())
	}
	if got := strings.Join(names, ", "); got != "npm, apt-get, download" {
		t.Errorf("ways %s", got)
	}
}

func (m *machine) install() {
	for _, name := range []string{"postgres", "initdb"} {
		m.write(filepath.Join(m.root, name), script(""), 0o755)
	}
}

// The last way is the library's download.
func TestDownloadIsLast(t *testing.T) {
	m := newMachine(t)
	m.program("npm", "exit 1")
	m.program("apt-get", "exit 1")
	m.lib = libraryFrom(t, jar(t, goodInitdb))
	if err := m.get(); err != nil {
		t.Fatal(err)
	}
	if got := m.ran(); got != "npm pack, apt-get update" {
		t.Errorf("ran %q", got)
	}
}

func TestNpmIsKept(t *testing.T) {
	m := newMachine(t)
	m.npmWorks()
	for range 2 {
		if err := m.get(); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.ran(); got != "npm pack" {
		t.Errorf("ran %q", got)
	}
	bin, err := m.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb")).CombinedOutput(); err != nil {
		t.Errorf("what was unpacked does not run: %v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(bin, "..", "dist")); err == nil {
		t.Error("what is no part of the server was unpacked")
	}
}

func TestNothingWorks(t *testing.T) {
	m := newMachine(t)
	m.program("npm", "echo 'npm error GET https://me:s3cret@registry.example/x' >&2; for i in 1 2 3 4 5 6 7 8; do echo more >&2; done; exit 1")
	m.apt.root = false
	m.aptWorks()
	err := m.get()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"there is no PostgreSQL server on this machine: install one (Debian: apt-get install postgresql)",
		"\n  npm: npm pack: exit status 1\n    npm error GET https://registry.example/x\n",
		"\n  apt-get: it works only as root\n",
		"\n  download: no version found",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Count(err.Error(), "more") > 3 {
		t.Errorf("%v", err)
	}
}

func TestCancelled(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	over := make(chan struct{})
	serve := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel(enough)
		<-over
	}))
	t.Cleanup(serve.Close)
	t.Cleanup(func() { close(over) })
	m.lib.config = m.lib.config.BinaryRepositoryURL(serve.URL)
	if err := get(ctx, m.find, []way{m.lib, m.npm}, &m.out); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}

// Nothing in an archive leads out of its folder.
func TestUnpackStaysInside(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"file":    {"package/native/../../../escaped": "x"},
		"link to": {"package/native/pg-symlinks.json": `[{"source":"native/../../etc/passwd","target":"native/lib"}]`},
		"link at": {"package/native/pg-symlinks.json": `[{"source":"native/lib","target":"native/../../escaped"}]`},
	} {
		dir := t.TempDir()
		inner := filepath.Join(dir, "a", "b")
		if err := os.MkdirAll(inner, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unpack(packed(t, files), inner); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
