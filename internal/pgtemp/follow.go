package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Halt shuts the server down and keeps its data. Its standbys have all of it then (manual,
// 19.5: a fast shutdown waits for them).
func (s *Server) Halt() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.postgres.stop(syscall.SIGINT)
	s.postgres = nil
	return err
}

// Follow starts the halted server on its old port, as a standby of primary, which was its
// own standby (manual, 27.2.2); nil: of none.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	of := ""
	if primary != nil {
		of = primary.URL(superuser)
	}
	return s.goOn(ctx, "standby.signal", "primary_conninfo = '"+of+"'")
}

// Recover starts the halted server, which was a standby, from its data, and the WAL in
// archive, up to a restore point (manual, 26.3.5). It is a primary soon afterwards.
func (s *Server) Recover(ctx context.Context, archive, point string) error {
	if err := os.Remove(filepath.Join(s.dataDir(), "standby.signal")); err != nil {
		return err
	}
	return s.goOn(ctx, "recovery.signal", "restore_command = 'cp "+archive+"/%f %p'", "recovery_target_name = '"+point+"'", "recovery_target_action = 'promote'")
}

// goOn starts the halted server with a signal file and more settings.
func (s *Server) goOn(ctx context.Context, signal string, settings ...string) error {
	f, err := os.OpenFile(filepath.Join(s.dataDir(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, strings.Join(settings, "\n"))
	signal = filepath.Join(s.dataDir(), signal)
	if err := errors.Join(err, f.Close(), os.WriteFile(signal, nil, 0o600), s.account.own(signal)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.start(ctx)
}

// Upgrade takes the halted server's data to the version in bin, by pg_upgrade, and starts it.
func (s *Server) Upgrade(ctx context.Context, bin string) error {
	before, password, old := s.options.Bin, s.password, s.dataDir()+".old"
	if err := os.Rename(s.dataDir(), old); err != nil {
		return err
	}
	s.options.Bin = bin
	if err := s.initialize(ctx); err != nil {
		return err
	}
	s.password = password // of the data that comes
	work := filepath.Join(s.dir, "upgrade")
	err := errors.Join(os.Mkdir(work, 0o700), s.account.own(work), os.WriteFile(s.passwordFile(), []byte(password), 0o600))
	for _, data := range []string{old, s.dataDir()} {
		err = errors.Join(err, os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	}
	if err != nil {
		return err
	}
	c := s.account.process(exec.CommandContext(ctx, filepath.Join(bin, "pg_upgrade"), "-b", before, "-B", bin, "-d", old, "-D", s.dataDir(), "-U", superuser))
	c.Dir = work
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_upgrade: %w\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.start(ctx)
}
