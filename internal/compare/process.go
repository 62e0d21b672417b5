package compare

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// pipePatience bounds the wait for the output of a process that has ended.
const pipePatience = 5 * time.Second

// Program is the executable that runners are made of.
type Program struct {
	Path  string
	Name  string   // its argv[0], by which a test's binary knows what to be
	Naive []string // the arguments by which it becomes RunNaive
}

// process is one runner.
type process struct {
	name        string
	args        []string
	environment []string
	stdin       io.Reader
}

// runAll starts processes side by side, waits for them, and returns the last
// line that each has said. When one fails, or ctx ends, the others are killed:
// what they work on is thrown away.
func (p Program) runAll(ctx context.Context, all []process) ([]string, error) {
	said := make([]string, len(all))
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range all {
		g.Go(func() (err error) {
			said[i], err = p.run(ctx, c)
			return err
		})
	}
	return said, g.Wait()
}

// run returns the last line that the process has said.
func (p Program) run(ctx context.Context, c process) (string, error) {
	cmd := exec.CommandContext(ctx, p.Path, c.args...)
	cmd.Args[0] = p.Name
	// The environment is the process's alone, even if it is empty: a DATABASE_URL
	// or an INVOICES_TABLE of the user's has no business here.
	cmd.Env = append([]string{}, c.environment...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, &said, &said
	cmd.WaitDelay = pipePatience
	err := cmd.Run()
	last := lastLines(said.String(), 1)
	if ctx.Err() != nil {
		return last, fmt.Errorf("stop %s: %w", c.name, context.Cause(ctx))
	}
	if err != nil {
		return last, fmt.Errorf("run %s: %w\n%s", c.name, err, lastLines(said.String(), 5))
	}
	return last, nil
}

func lastLines(text string, most int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
