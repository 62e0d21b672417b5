package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// run runs a program; where it fails, the error holds what it said.
func run(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive") // apt-get asks nobody
	c.WaitDelay = time.Second                                      // its children may hold its output open
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, said.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// excerpt is the beginning of a message, indented, and without the passwords that
// URLs of registries and proxies may hold.
func excerpt(message string) string {
	const lines = 5
	message = regexp.MustCompile(`://[^/\s]*@`).ReplaceAllString(strings.TrimSpace(message), "://")
	all := strings.Split(message, "\n")
	return strings.Join(all[:min(lines, len(all))], "\n    ")
}
