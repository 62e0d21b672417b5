package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/billonce/billonce/internal/compare"
	"github.com/billonce/billonce/internal/pgtemp"
)

// naiveCommand is a hidden command below demo: a server that has no ledger.
const naiveCommand = "naive-server"

// withTemporaryServer starts a PostgreSQL that is thrown away, and says what
// processes can be made of.
func (a app) withTemporaryServer(ctx context.Context, settings map[string]string, f func(*pgtemp.Server, compare.Program) error) (err error) {
	program, err := a.thisProgram()
	if err != nil {
		return err
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true, Settings: settings, Getenv: a.getenv})
	if err != nil {
		return fmt.Errorf("start a temporary PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return f(server, program)
}

// thisProgram is what processes are made of.
func (a app) thisProgram() (compare.Program, error) {
	path, err := os.Executable()
	if err != nil {
		return compare.Program{}, fmt.Errorf("find the program's own file: %w", err)
	}
	return compare.Program{Path: path, Name: os.Args[0], Naive: []string{"demo", naiveCommand}}, nil
}
