package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// usualPlaces are where Debian, Fedora and Homebrew keep PostgreSQL.
func usualPlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	}
}

// Find returns the folder that holds postgres and initdb: POSTGRES_BIN, PATH,
// the usual places, the newest version first. Where there is none, a library
// fetches one into cache, once.
func Find(ctx context.Context, getenv func(string) string, cache string) (string, error) {
	if dir := getenv("POSTGRES_BIN"); dir != "" {
		if !complete(dir) {
			return "", fmt.Errorf("POSTGRES_BIN: %s does not hold postgres and initdb: set it to the folder that does, or unset it", dir)
		}
		return dir, nil
	}
	for _, dir := range filepath.SplitList(getenv("PATH")) {
		if complete(dir) {
			return home(dir), nil
		}
	}
	for _, pattern := range usualPlaces() {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, byVersionDescending)
		for _, dir := range found {
			if complete(dir) {
				return dir, nil
			}
		}
	}
	return fetch(ctx, cache, embeddedpostgres.DefaultConfig())
}

// home is the folder that dir's postgres leads to: beside a link to it, the
// installation's other programs may be missing.
func home(dir string) string {
	program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if there := filepath.Dir(program); err == nil && complete(there) {
		return there
	}
	return dir
}

func complete(dir string) bool {
	return dir != "" && executable(filepath.Join(dir, "postgres")) && executable(filepath.Join(dir, "initdb"))
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// byVersionDescending compares paths as numbers where they differ in a number:
// 15 is younger than 9.
func byVersionDescending(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// fetch has the library download PostgreSQL. The library can only start what it
// has fetched, and can't do that as root; its binaries are all that is wanted.
func fetch(ctx context.Context, cache string, config embeddedpostgres.Config) (string, error) {
	root := filepath.Join(cache, "postgres-"+string(embeddedpostgres.V15))
	dir := filepath.Join(root, "bin")
	if complete(dir) {
		return dir, nil
	}
	library := embeddedpostgres.NewDatabase(config.
		Version(embeddedpostgres.V15).Logger(io.Discard).
		CachePath(filepath.Join(cache, "download")).BinariesPath(root).
		RuntimePath(filepath.Join(cache, "runtime")).DataPath(filepath.Join(cache, "runtime", "data")))
	err := library.Start()
	if err == nil {
		err = library.Stop()
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if complete(dir) {
		return dir, nil
	}
	return "", errors.Join(
		errors.New("there is no PostgreSQL here, and none could be fetched: install one (Debian: apt-get install postgresql), or set POSTGRES_BIN to the folder that holds postgres and initdb"),
		err)
}
