package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// Service is a process that serves HTTP until it is told to end.
type Service struct {
	URL     string // its root, without a slash at the end
	command *exec.Cmd
}

// Serve starts a command, and waits for it to say where it is.
func Serve(c *exec.Cmd) (*Service, error) {
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start batch %s: %w", c.Args[1], err)
	}
	address, lines := regexp.MustCompile(`http://[^\s'/]+`), bufio.NewScanner(out)
	for lines.Scan() {
		if url := address.FindString(lines.Text()); url != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }() // what else it says
			return &Service{url, c}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("batch %s did not say where it is", c.Args[1]), c.Wait())
}

// PID is the process.
func (s *Service) PID() int { return s.command.Process.Pid }

// Stop ends it, and says what it has used.
func (s *Service) Stop() (*os.ProcessState, error) {
	err := errors.Join(s.command.Process.Signal(syscall.SIGTERM), s.command.Wait())
	return s.command.ProcessState, err
}

// API is a fake billing API.
type API struct{ *Service }

// StartAPI starts one as the flags have it. It goes on until it is stopped.
func (b *Book) StartAPI(ctx context.Context, flags ...string) (API, error) {
	s, err := Serve(b.Command(context.WithoutCancel(ctx), nil, append([]string{"fake-api"}, flags...)...))
	return API{s}, err
}

// Billing is the API as BILLING_URL has it.
func (a API) Billing() string { return a.URL + "/v1/invoices/{id}/send" }

// Lookup is the API as BILLING_LOOKUP_URL has it.
func (a API) Lookup() string { return strings.TrimSuffix(a.Billing(), "/send") }

// Account is what it has seen and done.
func (a API) Account(ctx context.Context) (sum billingfake.Summary, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/ledger", http.NoBody)
	if err != nil {
		return sum, err
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return sum, fmt.Errorf("read the billing API's account: %w", err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&sum); err != nil {
		return sum, fmt.Errorf("read the billing API's account: %w", err)
	}
	return sum, nil
}
