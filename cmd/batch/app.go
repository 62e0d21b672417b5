package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
)

// app is what the commands share.
type app struct {
	env            func(string) (string, bool)
	environ        []string
	stdout, stderr io.Writer
}

func (a app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}

// applicationName is what pg_stat_activity, the ledger and other runners show:
// the pod and its node, else the host and the process. PostgreSQL cuts it off after
// nameMax bytes: a run that is written down under its longer name would look dead.
func (a app) applicationName(c settings) string {
	if c.PodName != "" {
		name := strings.TrimSuffix(fmt.Sprintf("billonce/%s@%s", c.PodName, c.NodeName), "@")
		return name[:min(len(name), nameMax)]
	}
	host := a.getenv("HOSTNAME")
	if host == "" {
		host, _ = os.Hostname()
	}
	process := fmt.Sprintf("/%d", os.Getpid()) // what tells two of one host apart is not cut
	name := "billonce/" + host
	return name[:min(len(name), nameMax-len(process))] + process
}

// nameMax is NAMEDATALEN less one (manual, 19.8, application_name).
const nameMax = 63

// errNobody says that no person's name is known.
var errNobody = errors.New("it is not known here who you are, and the ledger keeps who decided: add --by NAME")

// decider is who decides: who is named, else the person at this machine. A pod has none.
func (a app) decider(by string) (string, error) {
	if by = strings.TrimSpace(by); by != "" {
		return by, nil
	}
	if a.getenv("KUBERNETES_SERVICE_HOST")+a.getenv("POD_NAME") != "" {
		return "", usage(errNobody)
	}
	u, err := user.Current()
	if err != nil || !isPersons(u.Username) {
		return "", usage(errNobody)
	}
	return cmp.Or(a.getenv("SUDO_USER"), u.Username) + "@" + a.host(), nil
}

// isPersons tells a person's name from what images and hosts name their processes.
func isPersons(name string) bool {
	return name != "nobody" && name != "nonroot" && strings.Trim(name, "0123456789") != ""
}

// whoami is who runs the command, user@host.
func (a app) whoami() string {
	name := a.getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return cmp.Or(name, "unknown") + "@" + a.host()
}

func (a app) host() string {
	host := a.getenv("HOSTNAME")
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return cmp.Or(host, "unknown")
}

// exitError is an error with an exit code of its own. Without err everything
// has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{billing.ExitUsage, err} }

// exitCodeOf is the exit code of an error that ends a command.
func exitCodeOf(err error) int {
	var exit *exitError
	var unsafe *advisory.UnsafeError
	var unmarkable *pgstore.CantMarkError
	var held *pgstore.TableHeldError
	switch err = configurationFault(err); {
	case errors.As(err, &unsafe), errors.As(err, &unmarkable), errors.Is(err, billing.ErrForgotten):
		return billing.ExitRefused
	case errors.As(err, &held):
		return billing.ExitStopped
	case errors.As(err, &exit):
		return exit.code
	}
	return billing.ExitError
}

// configurationFault gives the faults that only the database can see the exit
// code of a wrong configuration: nothing was touched.
func configurationFault(err error) error {
	if pgstore.DoesNotFit(err) || errors.Is(err, desk.ErrMarking) {
		return usage(err)
	}
	return err
}
