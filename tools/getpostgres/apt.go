package main

import (
	"context"
	"errors"
	"os/exec"
)

// apt installs Debian's package.
type apt struct{ root bool }

func (apt) String() string { return "apt-get" }

func (a apt) able() error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("it is not installed")
	}
	if !a.root {
		return errors.New("it works only as root")
	}
	return nil
}

func (apt) get(ctx context.Context) error {
	if _, err := run(ctx, "apt-get", "update", "-q"); err != nil {
		return err
	}
	_, err := run(ctx, "apt-get", "install", "-q", "-y", "--no-install-recommends", "postgresql")
	return err
}
