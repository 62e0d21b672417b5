package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// scenario is one way to run.
type scenario struct {
	Name        string        `json:"name"`
	Invoices    int           `json:"invoices"`
	Latency     time.Duration `json:"latency_ns"`
	Concurrency int           `json:"concurrency"` // of all runners together
	Runners     int           `json:"runners"`
	Environment []string      `json:"environment"`
}

func scenarios(invoices int) []scenario {
	const keys, row = "BILLING_IDEMPOTENT=true", "LOCK_STRATEGY=row"
	return []scenario{
		{"no latency, advisory, keys", invoices, 0, 64, 1, []string{keys}},
		{"no latency, advisory, no keys", invoices, 0, 64, 1, nil},
		{"no latency, row, keys", invoices, 0, 64, 1, []string{keys, row}},
		{"no latency, row, no keys", invoices, 0, 64, 1, []string{row}},
		{"20 ms, advisory, keys", invoices, 20 * time.Millisecond, 256, 1, []string{keys}},
		{"20 ms, advisory, no keys", invoices, 20 * time.Millisecond, 256, 1, nil},
		{"20 ms, row, keys", invoices, 20 * time.Millisecond, 256, 1, []string{keys, row}},
		{"1 s, advisory, keys", invoices / 10, time.Second, 1000, 1, []string{keys}},
		{"1 s, advisory, no keys", invoices / 10, time.Second, 1000, 1, nil},
		{"20 ms, two runners, keys", invoices, 20 * time.Millisecond, 256, 2, []string{keys}},
		{"20 ms, two runners, no keys", invoices, 20 * time.Millisecond, 256, 2, nil},
		{"20 ms, two runners, row, keys", invoices, 20 * time.Millisecond, 256, 2, []string{keys, row}},
	}
}

// round is one turn of the loop and of the run.
type round struct {
	Loop  usage `json:"loop"`
	Run   usage `json:"run"`
	Spent spent `json:"database"` // by the run
	// Against: the same by another build, where one is given.
	Against      *usage `json:"against,omitempty"`
	AgainstSpent *spent `json:"against_database,omitempty"`
	River        *usage `json:"river,omitempty"`
	RiverSpent   *spent `json:"river_database,omitempty"`
}

// usage is what a client and the API that it called have cost.
type usage struct {
	Seconds      float64 `json:"seconds"`
	ClientCPU    float64 `json:"client_cpu_seconds"`
	APICPU       float64 `json:"api_cpu_seconds"`
	ClientRSSMiB float64 `json:"client_peak_rss_mib"`
}

func (b bencher) scenario(ctx context.Context, s scenario, rounds int) (measured, error) {
	m := measured{Scenario: s}
	for n := range rounds + 1 {
		r, err := b.round(ctx, s)
		if err != nil {
			return m, err
		}
		if n > 0 { // the first one warms up
			m.Rounds = append(m.Rounds, r)
		}
	}
	return m, nil
}

func (b bencher) round(ctx context.Context, s scenario) (r round, err error) {
	r.Loop, err = b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
		loop := exec.CommandContext(ctx, b.self, "loop", url, strconv.Itoa(s.Invoices), strconv.Itoa(s.Concurrency))
		text, err := loop.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("bare loop: %w\n%s", err, text)
		}
		return loop.ProcessState, err
	})
	if err != nil {
		return r, err
	}
	if r.Run, r.Spent, err = b.measured(ctx, s); err != nil {
		return r, err
	}
	if b.against != "" {
		other := b
		other.batch = b.against
		u, spent, err := other.measured(ctx, s)
		if err != nil {
			return r, err
		}
		r.Against, r.AgainstSpent = &u, &spent
	}
	if b.river == "" {
		return r, nil
	}
	r.River, r.RiverSpent, err = b.riverRound(ctx, s)
	return r, err
}

// measured is a scenario's run, and what it cost the database.
func (b bencher) measured(ctx context.Context, s scenario) (u usage, spent spent, err error) {
	if _, err = b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
		return u, spent, err
	}
	if err = b.meter.start(ctx); err != nil {
		return u, spent, err
	}
	u, err = b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
		if s.Runners == 1 {
			return b.runAt(ctx, s, url)
		}
		each := s
		each.Concurrency /= s.Runners
		each.Environment = append(slices.Clone(s.Environment), "RUN_LOCK=shared")
		return nil, b.together(ctx, each, url, make([]summary, s.Runners))
	})
	if err != nil {
		return u, spent, err
	}
	spent, err = b.meter.stop(ctx)
	return u, spent, err
}

// riverRound sends as many invoices by River, from putting them into its queue
// to the last one marked.
func (b bencher) riverRound(ctx context.Context, s scenario) (*usage, *spent, error) {
	if _, err := b.meter.Conn.Exec(ctx, "truncate river_job"); err != nil {
		return nil, nil, err
	}
	if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
		return nil, nil, err
	}
	if err := b.meter.start(ctx); err != nil {
		return nil, nil, err
	}
	u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
		return b.runRiver(ctx, "run", b.url, url, strconv.Itoa(s.Concurrency))
	})
	if err != nil {
		return nil, nil, err
	}
	spent, err := b.meter.stop(ctx)
	return &u, &spent, err
}

func (b bencher) runRiver(ctx context.Context, args ...string) (*os.ProcessState, error) {
	c := exec.CommandContext(ctx, b.river, args...)
	text, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("river %s: %w\n%s", args[0], err, text)
	}
	return c.ProcessState, err
}

// withAPI times call against an API of its own, and checks that it was asked for
// every invoice once.
func (b bencher) withAPI(ctx context.Context, s scenario, call func(url string) (*os.ProcessState, error)) (u usage, err error) {
	api, err := startAPI(ctx, b.self, s.Latency, "")
	if err != nil {
		return u, err
	}
	began := time.Now()
	state, err := call(api.url)
	u.Seconds = time.Since(began).Seconds()
	sum, apiState, cerr := api.close()
	if err = errors.Join(err, cerr); err != nil {
		return u, err
	}
	if sum.Requests != s.Invoices || sum.Effects != s.Invoices {
		return u, fmt.Errorf("%d requests and %d effects for %d invoices", sum.Requests, sum.Effects, s.Invoices)
	}
	u.ClientCPU, u.APICPU, u.ClientRSSMiB = cpu(state), cpu(apiState), peakRSS(state)
	return u, nil
}

// runAt runs a scenario's run against an API.
func (b bencher) runAt(ctx context.Context, s scenario, url string, more ...string) (*os.ProcessState, error) {
	environment := append(slices.Clone(s.Environment), "BILLING_URL="+url, "CONCURRENCY="+strconv.Itoa(s.Concurrency))
	return b.runBatch(ctx, append(environment, more...), "run")
}

func (b bencher) runBatch(ctx context.Context, environment []string, args ...string) (*os.ProcessState, error) {
	c := b.command(ctx, environment, args...)
	text, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("batch %s: %w\n%s", args[0], err, text)
	}
	return c.ProcessState, err
}

func (b bencher) command(ctx context.Context, environment []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.batch, args...)
	c.Env = append(append(os.Environ(), "DATABASE_URL="+b.url, "LOG_LEVEL=warn", "RUN_CANARY=0"), environment...)
	return c
}

// cpu is in seconds; 0 where several processes ran.
func cpu(p *os.ProcessState) float64 {
	if p == nil {
		return 0
	}
	return (p.UserTime() + p.SystemTime()).Seconds()
}

// peakRSS is in MiB, where the system counts it in KiB (getrusage(2) on Linux).
func peakRSS(p *os.ProcessState) float64 {
	if p == nil {
		return 0
	}
	if r, ok := p.SysUsage().(*syscall.Rusage); ok {
		return float64(r.Maxrss) / 1024
	}
	return 0
}
