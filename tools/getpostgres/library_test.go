package main

import (
	"archive/zip"
	"bytes"
	"errors"
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

const (
	goodInitdb = "#!/bin/sh\nexit 0\n"
	badInitdb  = "#!/bin/sh\necho 'wrong machine' >&2\nexit 1\n"
)

// jar is a file as the library downloads it: an archive within an archive.
func jar(t *testing.T, initdb string) []byte {
	t.Helper()
	const path = "/usr/bin:/bin"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"postgres": goodInitdb, "pg_ctl": badInitdb, "initdb": initdb} {
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat("/usr/bin/xz"); err != nil {
		t.Skip("there is no xz here, to make an archive with")
	}
	tar := exec.CommandContext(t.Context(), "/bin/tar", "-C", dir, "-cJf", "-", "bin")
	tar.Env = []string{"PATH=" + path}
	packed, err := tar.Output()
	if err != nil {
		t.Fatalf("tar: %v", err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("postgres.txz")
	if err == nil {
		_, err = w.Write(packed)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// libraryFrom downloads from a repository that has one file.
func libraryFrom(t *testing.T, file []byte) library {
	t.Helper()
	repository := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file == nil || !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(file)
	}))
	t.Cleanup(repository.Close)
	return library{embeddedpostgres.DefaultConfig().BinaryRepositoryURL(repository.URL), pgtemp.Keep}
}

func TestDownloadedInVain(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"no such file":   {nil, "no version found"},
		"not an archive": {[]byte("<html>log in</html>"), "zip"},
		"does not work":  {jar(t, badInitdb), "wrong machine"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			l := libraryFrom(t, c.file)
			for range 2 { // what failed is not taken for good the next time
				if err := l.get(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
				if dir, err := m.find(t.Context()); err == nil {
					t.Errorf("it is kept in %s", dir)
				}
			}
		})
	}
}
