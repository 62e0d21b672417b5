package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
// own standby (manual, 27.2.2).
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	settings := filepath.Join(s.dataDir(), "postgresql.auto.conf")
	f, err := os.OpenFile(settings, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "primary_conninfo = '%s'\n", primary.URL(superuser))
	signal := filepath.Join(s.dataDir(), "standby.signal")
	if err := errors.Join(err, f.Close(), os.WriteFile(signal, nil, 0o600), s.account.own(signal)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.start(ctx)
}
