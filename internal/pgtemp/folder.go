package pgtemp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// connection is what a second command needs to join a running server, and what
// the next one needs to start it again.
type connection struct {
	Port     int    `json:"port"`
	Password string `json:"password"`
}

func (s *Server) connectionFile() string { return filepath.Join(s.dir, "connection.json") }
func (s *Server) passwordFile() string   { return filepath.Join(s.dir, "password") }

func (s *Server) writeConnectionFile() error {
	text, err := json.Marshal(connection{s.port, s.password})
	if err != nil {
		return err
	}
	return os.WriteFile(s.connectionFile(), text, 0o600)
}

// join makes s a guest of the server that another command runs in this folder,
// if there is one that answers.
func (s *Server) join(ctx context.Context) bool {
	text, err := os.ReadFile(s.connectionFile())
	if err != nil {
		return false
	}
	var c connection
	if json.Unmarshal(text, &c) != nil {
		return false
	}
	s.port, s.password = c.Port, c.Password
	s.guest = s.answers(ctx)
	return s.guest
}

// lockFolder keeps two commands from making or starting one server at once.
func lockFolder(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s, which another command holds: %w", path, context.Cause(ctx)), f.Close())
		}
	}
}

// initialize makes the data folder where there is none: beside its place, and
// moved there when it is whole, so that a kill in between leaves nothing half.
func (s *Server) initialize(ctx context.Context) error {
	if have, err := os.ReadFile(filepath.Join(s.dataDir(), "PG_VERSION")); err == nil {
		if err := s.checkVersion(ctx, strings.TrimSpace(string(have))); err != nil {
			return err
		}
		password, err := os.ReadFile(s.passwordFile())
		s.password = string(password)
		return err
	}
	fresh := s.dataDir() + ".new"
	s.password = newPassword()
	if s.options.StandbyOf != nil {
		s.password = s.options.StandbyOf.password
	}
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), s.account.own(fresh),
		os.WriteFile(s.passwordFile(), []byte(s.password), 0o600), s.account.own(s.passwordFile())); err != nil {
		return err
	}
	program, args := "initdb", []string{
		"-D", fresh, "-U", superuser, "--pwfile", s.passwordFile(), "-A", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C",
	}
	if primary := s.options.StandbyOf; primary != nil {
		program, args = "pg_basebackup", []string{"-D", fresh, "-d", primary.URL(superuser), "-R", "-X", "stream", "-c", "fast"}
	}
	if s.options.FastUnsafe {
		args = append(args, "--no-sync")
	}
	c := s.account.process(exec.CommandContext(ctx, filepath.Join(s.options.Bin, program), args...))
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, strings.TrimSpace(string(out)))
	}
	return os.Rename(fresh, s.dataDir())
}

func (s *Server) checkVersion(ctx context.Context, have string) error {
	out, err := s.account.process(exec.CommandContext(ctx, filepath.Join(s.options.Bin, "postgres"), "--version")).Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", s.options.Bin, err)
	}
	fields := strings.Fields(string(out))
	if len(fields) >= 3 {
		if major, _, _ := strings.Cut(fields[2], "."); major != have {
			return fmt.Errorf("%s was made by PostgreSQL %s, and %s is version %s: "+
				"set POSTGRES_BIN to version %s, or remove the folder and lose its data", s.dataDir(), have, s.options.Bin, major, have)
		}
	}
	return nil
}
