package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNone says that this machine has no PostgreSQL server.
var ErrNone = errors.New("there is no PostgreSQL server on this machine: install one (Debian: apt-get install postgresql), " +
	"or set POSTGRES_BIN to the folder that holds postgres and initdb, and run again")

// Find returns the folder of postgres and initdb: of an installed server, or of one
// that Keep has kept; else ErrNone.
func Find(ctx context.Context, getenv func(string) string) (string, error) {
	dir, err := installed(getenv)
	if dir != "" || err != nil {
		return dir, err
	}
	return keptServer(ctx)
}

// keptServer is what Keep has kept.
func keptServer(ctx context.Context) (string, error) {
	cache, err := cacheFolder(ctx)
	if err != nil {
		return "", fmt.Errorf("%w (there is no cache folder either: %w)", ErrNone, err)
	}
	dir, err := newest(filepath.Join(cache, kept+"*", "bin"))
	if dir == "" && err == nil {
		err = ErrNone
	}
	return dir, err
}

// kept begins the names of the folders that are whole.
const kept = "postgresql-"

// cacheFolder is the user's, for all commands and tests.
func cacheFolder(ctx context.Context) (string, error) {
	a, err := serverAccount()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return a.place(ctx, filepath.Join(cache, "billonce"))
}

// Keep puts a server where Find finds it, unless it is there. get is given an empty
// folder for bin, lib and share. They are moved to their place when they have been
// seen to work: a kill or a full disk in between leaves nothing half.
func Keep(ctx context.Context, version string, get func(ctx context.Context, dir string) error) (err error) {
	cache, err := cacheFolder(ctx)
	if err != nil {
		return fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	unlock, err := lockFolder(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	root := filepath.Join(cache, kept+version)
	if complete(filepath.Join(root, "bin")) {
		return nil
	}
	fresh := filepath.Join(cache, "new")
	programs := filepath.Join(fresh, "postgresql")
	if err := errors.Join(os.RemoveAll(root), os.RemoveAll(fresh), os.MkdirAll(programs, 0o755)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if err := get(ctx, programs); err != nil {
		return err
	}
	if err := try(ctx, filepath.Join(programs, "bin"), filepath.Join(fresh, "trial")); err != nil {
		return err
	}
	return os.Rename(programs, root)
}

// try makes a database with the programs: that needs all of them, for this
// machine, and readable by the server's account.
func try(ctx context.Context, bin, data string) error {
	a, err := serverAccount()
	if err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(data, 0o700), a.own(data)); err != nil {
		return err
	}
	c := a.process(exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "-A", "reject", "--locale", "C", "--no-sync"))
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// newest returns the folder of the newest version that a pattern matches.
func newest(pattern string) (string, error) {
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
	return "", nil
}
