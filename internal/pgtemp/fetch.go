package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	fetchedVersion = embeddedpostgres.V15
	fetchTimeout   = 10 * time.Minute
)

// fetcher gets a PostgreSQL where none is installed.
type fetcher struct {
	account account
	library embeddedpostgres.Config
	cache   string // where it is kept for the next time
	tell    func(string)
}

// newFetcher keeps what it fetches in the user's cache, for all commands and tests.
func newFetcher(a account, tell func(string)) (fetcher, error) {
	cache, err := os.UserCacheDir()
	return fetcher{a, embeddedpostgres.DefaultConfig(), filepath.Join(cache, "billonce"), tell}, err
}

// fetch returns the folder of the fetched programs. They are put there when they
// have been seen to work: a kill or a full disk in between leaves nothing half.
func (f fetcher) fetch(ctx context.Context) (_ string, err error) {
	cache, err := f.account.place(ctx, f.cache)
	if err != nil {
		return "", fmt.Errorf("make a folder for it: %w", err)
	}
	root := filepath.Join(cache, "postgresql-"+string(fetchedVersion))
	bin := filepath.Join(root, "bin")
	if complete(bin) {
		return bin, nil
	}
	unlock, err := lockFolder(ctx, root+".lock")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if complete(bin) { // another command was quicker
		return bin, nil
	}
	fresh := root + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if f.tell != nil {
		f.tell(fmt.Sprintf("There is no PostgreSQL here. Fetching version %s, once, into %s …", fetchedVersion, cache))
	}
	programs := filepath.Join(fresh, "postgresql")
	if err := f.download(ctx, fresh, programs); err != nil {
		return "", err
	}
	if err := f.try(ctx, filepath.Join(programs, "bin"), filepath.Join(fresh, "trial")); err != nil {
		return "", err
	}
	return bin, os.Rename(programs, root)
}

// download has the library fetch PostgreSQL. All that the library can do is to
// start what it has fetched, and not even that as root: its binaries are all that
// is wanted, and it is given port 0, which is free everywhere and which no server
// starts on. It is deaf to cancellation: it is left behind then.
func (f fetcher) download(ctx context.Context, fresh, programs string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("the download took more than %s", fetchTimeout))
	defer cancel()
	runtime := filepath.Join(fresh, "runtime")
	library := embeddedpostgres.NewDatabase(f.library.
		Version(fetchedVersion).Logger(io.Discard).Port(0).
		CachePath(filepath.Join(fresh, "download")).BinariesPath(programs).
		RuntimePath(runtime).DataPath(filepath.Join(runtime, "data")))
	started := make(chan error, 1)
	go func() { started <- library.Start() }()
	select {
	case err := <-started:
		if !complete(filepath.Join(programs, "bin")) {
			return err
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try makes a database with the programs: that needs all of them, for this
// machine, and readable by the server's account.
func (f fetcher) try(ctx context.Context, bin, data string) error {
	if err := errors.Join(os.Mkdir(data, 0o700), f.account.own(data)); err != nil {
		return err
	}
	c := f.account.process(exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "-A", "reject", "--locale", "C", "--no-sync"))
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
