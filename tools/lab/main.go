// Package lab is what the tools have in common: the demo's invoices on a PostgreSQL of
// their own, and `batch` with its fake billing API as processes.
package lab

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Main reads the flags and runs a tool until it is done, or told to stop.
func Main(tool string, run func(ctx context.Context, out io.Writer) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, tool+":", err)
		os.Exit(1)
	}
}

// Batch is the package of the program.
const Batch = "github.com/billonce/billonce/cmd/batch"

// Build makes a program of a Go package, which is looked for in folder.
func Build(ctx context.Context, folder, pkg, into string) error {
	c := exec.CommandContext(ctx, "go", "build", "-o", into, pkg)
	c.Dir = folder
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s (in the project's folder?): %w\n%s", pkg, err, said)
	}
	return nil
}
