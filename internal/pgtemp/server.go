// Package pgtemp runs a private PostgreSQL server as a child process: for
// DATABASE_URL=embedded, for demos and comparisons, and for tests.
//
// The server ends with its parent, also when that is killed by SIGKILL.
package pgtemp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTimeout = 60 * time.Second
	startPoll    = 20 * time.Millisecond
	superuser    = "postgres"
)

// Options of a server.
type Options struct {
	Dir        string              // holds data and log; made if missing, kept after Close
	Temporary  bool                // Dir is chosen in the temporary folder and removed by Close
	Bin        string              // folder of postgres and initdb; empty: that of Find
	Settings   map[string]string   // of postgresql.conf
	Getenv     func(string) string // nil: os.Getenv
	FastUnsafe bool                // no fsync: for tests alone
	StandbyOf  *Server             // begin as a copy of this one, and follow it (manual, 27.2)
}

// Server is a running PostgreSQL, or, if another command's server already runs
// in the same folder, a guest's view of it.
type Server struct {
	options  Options
	account  account
	dir      string
	port     int
	password string
	guest    bool

	mu       sync.Mutex
	postgres *process
}

// Start starts the folder's server, after making it if need be, and waits until
// it answers.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	s := &Server{options: o}
	if s.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if o.Bin == "" {
		if s.options.Bin, err = Find(ctx, o.Getenv); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("PostgreSQL did not answer within %s", startTimeout))
	defer cancel()
	if o.Temporary {
		if o.Dir, err = os.MkdirTemp("", "billonce-"); err != nil {
			return nil, err
		}
		s.options.Dir = o.Dir
		if err := os.Chmod(o.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil && o.Temporary {
			err = errors.Join(err, os.RemoveAll(s.options.Dir), os.RemoveAll(s.dir))
		}
	}()
	if s.dir, err = s.account.place(ctx, o.Dir); err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	unlock, err := lockFolder(ctx, filepath.Join(s.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if s.join(ctx) {
		return s, nil
	}
	if err := s.initialize(ctx); err != nil {
		return nil, err
	}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	return s, s.writeConnectionFile()
}

// URL of a database of this server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.password, s.port, database)
}

// Bin is the folder of the server's programs.
func (s *Server) Bin() string { return s.options.Bin }

// PID is the server's process; 0 for a guest.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postgres == nil {
		return 0
	}
	return s.postgres.pid()
}

// Close shuts the server down and waits for its end. A guest leaves it alone.
func (s *Server) Close() error {
	if s.guest {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.postgres != nil {
		err = s.postgres.stop(syscall.SIGINT) // fast shutdown (manual, 19.5)
		s.postgres = nil
	}
	_ = os.Remove(s.connectionFile())
	if s.options.Temporary {
		err = errors.Join(err, os.RemoveAll(s.options.Dir), os.RemoveAll(s.dir))
	}
	return err
}

// Restart stops the server, at once and without its clients' leave if
// immediate, and starts it again on the same port.
func (s *Server) Restart(ctx context.Context, immediate bool) error {
	how := syscall.SIGINT
	if immediate {
		how = syscall.SIGQUIT
	}
	s.mu.Lock()
	err := s.postgres.stop(how)
	s.postgres = nil
	s.mu.Unlock()
	if err != nil && !immediate {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.start(ctx)
}

// launch picks a port and starts the server on it. Between the choice and the
// start another program may take the port: then the next try picks another.
func (s *Server) launch(ctx context.Context) (err error) {
	for range 3 {
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = s.start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(text)
}

func (s *Server) start(ctx context.Context) (err error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }() // the server has its own descriptor of it
	args := []string{"-D", s.dataDir(), "-p", strconv.Itoa(s.port)}
	for name, value := range s.settings() {
		args = append(args, "-c", name+"="+value)
	}
	c := s.account.process(exec.Command(filepath.Join(s.options.Bin, "postgres"), args...)) //nolint:noctx // it lives as long as the server, which Close ends
	c.Stdout, c.Stderr = log, log
	postgres, err := startProcess(c)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.await(ctx, postgres); err != nil {
		return errors.Join(err, postgres.stop(syscall.SIGQUIT))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postgres = postgres
	return nil
}

func (s *Server) settings() map[string]string {
	all := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
	}
	if s.options.FastUnsafe {
		all["fsync"], all["full_page_writes"] = "off", "off"
	}
	for name, value := range s.options.Settings {
		all[name] = value
	}
	return all
}

// await returns when the server answers, or has ended.
func (s *Server) await(ctx context.Context, p *process) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("PostgreSQL ended as it was started; the end of its log:\n%s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%w; the end of its log:\n%s", context.Cause(ctx), s.logTail())
		case <-tick.C:
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return false
	}
	return conn.Close(ctx) == nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

func (s *Server) logTail() string {
	const lines = 10
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func newPassword() string { return rand.Text() }
