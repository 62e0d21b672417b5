package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const apiPatience = 10 * time.Second

// serveAPI is the process of the billing API: it prints its URL, serves until
// SIGTERM, and prints its account.
func serveAPI(ctx context.Context, args []string, out io.Writer) error {
	latency, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	limits, err := limitOf(args[1])
	if err != nil {
		return err
	}
	api := billingfake.New(billingfake.Config{Idempotent: true, Latency: latency, Limits: limits})
	server, err := billingfake.Listen("127.0.0.1:0", api)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, server.URL()+"/v1/invoices/{id}/send")
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiPatience)
	defer cancel()
	return errors.Join(server.Close(closing), json.NewEncoder(out).Encode(api.Summary()))
}

// apiProcess is serveAPI seen from outside.
type apiProcess struct {
	url     string
	command *exec.Cmd
	out     *bufio.Reader
}

func startAPI(ctx context.Context, self string, latency time.Duration, limit string) (*apiProcess, error) {
	a := &apiProcess{command: exec.CommandContext(ctx, self, "api", latency.String(), limit)}
	a.command.Stderr = os.Stderr
	out, err := a.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = bufio.NewReader(out)
	if err := a.command.Start(); err != nil {
		return nil, err
	}
	line, err := a.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the billing API: %w", err), a.command.Process.Kill(), a.command.Wait())
	}
	a.url = strings.TrimSpace(line)
	return a, nil
}

func (a *apiProcess) close() (sum billingfake.Summary, state *os.ProcessState, err error) {
	err = a.command.Process.Signal(syscall.SIGTERM)
	if derr := json.NewDecoder(a.out).Decode(&sum); derr != nil {
		err = errors.Join(err, fmt.Errorf("read the billing API's account: %w", derr))
	}
	err = errors.Join(err, a.command.Wait())
	return sum, a.command.ProcessState, err
}
