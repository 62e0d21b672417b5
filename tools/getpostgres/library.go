package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const libraryVersion = embeddedpostgres.V15

// library downloads a server with the library embedded-postgres.
type library struct {
	config embeddedpostgres.Config
	keep   keeper
}

func newLibrary(keep keeper) library { return library{embeddedpostgres.DefaultConfig(), keep} }

func (library) String() string { return "download" }
func (library) able() error    { return nil }

// get has the library fetch PostgreSQL. All that the library can do is to start what
// it has fetched, and not even that as root: its binaries are all that is wanted, and
// it is given port 0, which is free everywhere and which no server starts on. It can't
// be cancelled: it is left behind then.
func (l library) get(ctx context.Context) error {
	return l.keep(ctx, string(libraryVersion), func(ctx context.Context, dir string) (err error) {
		work, err := os.MkdirTemp("", "billonce-download-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
		runtime := filepath.Join(work, "runtime")
		server := embeddedpostgres.NewDatabase(l.config.
			Version(libraryVersion).Logger(io.Discard).Port(0).
			CachePath(filepath.Join(work, "download")).BinariesPath(dir).
			RuntimePath(runtime).DataPath(filepath.Join(runtime, "data")))
		started := make(chan error, 1)
		go func() { started <- server.Start() }()
		select {
		case err := <-started:
			if _, missing := os.Stat(filepath.Join(dir, "bin", "postgres")); missing != nil {
				return err
			}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}
