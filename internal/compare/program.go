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

// pipePatience bounds the wait for the output of a child that has ended.
const pipePatience = 5 * time.Second

// Program is the executable that children are made of.
type Program struct {
	Path string
	Name string // its argv[0], by which a test's binary knows what to be
}

// child is one process.
type child struct {
	name        string
	args        []string
	environment []string
	stdin       io.Reader
}

// runAll starts the children side by side and waits for them. When one fails,
// or ctx ends, the others are killed: what they work on is thrown away.
func (p Program) runAll(ctx context.Context, children []child) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range children {
		g.Go(func() error { return p.run(ctx, c) })
	}
	return g.Wait()
}

func (p Program) run(ctx context.Context, c child) error {
	cmd := exec.CommandContext(ctx, p.Path, c.args...)
	cmd.Args[0] = p.Name
	// The environment is the child's alone, even if it is empty: a DATABASE_URL
	// or an INVOICES_TABLE of the user's has no business here.
	cmd.Env = append([]string{}, c.environment...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, &said, &said
	cmd.WaitDelay = pipePatience
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("stop %s: %w", c.name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", c.name, err, lastLines(said.String()))
	}
	return nil
}

func lastLines(text string) string {
	const most = 5
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
