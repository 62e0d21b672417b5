package compare

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"billonce/internal/billing/billingfake"
)

// Settings of a comparison: what is the same for all its cells.
type Settings struct {
	Invoices    int           `json:"invoices"`
	Latency     time.Duration `json:"latency_ns"` // of the billing API
	Runners     int           `json:"runners"`
	Rounds      int           `json:"rounds"`
	Concurrency int           `json:"concurrency"` // of each runner
}

// Comparison measures the lock strategies on one server, in turns.
type Comparison struct {
	Settings
	Program  Program
	Server   PostgreSQL
	Progress func(Cell) // told about each cell; nil: nobody
}

// Cell is one strategy in one round: runners on a database of their own.
type Cell struct {
	Strategy   string  `json:"strategy"`
	Round      int     `json:"round"`      // 0: warm-up
	Seconds    float64 `json:"seconds"`    // from the first process's start to the last one's end
	Requests   int     `json:"requests"`   // by the API's count, as the next two
	Billed     int     `json:"billed"`     // invoices with an effect
	Duplicates int     `json:"duplicates"` // invoices with more than one
	WALBytes   int64   `json:"wal_bytes"`
	Commits    int64   `json:"commits"`
}

const (
	row      = "row"
	advisory = "advisory"
)

// Run measures. The strategies take turns, so that whatever else slows the
// machine down falls on both; a first round warms caches up and is not counted.
func (c Comparison) Run(ctx context.Context) (_ Report, err error) {
	b, err := openBooks(ctx, c.Server, c.Invoices)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	var version string
	if err := b.admin.QueryRow(ctx, "show server_version").Scan(&version); err != nil {
		return Report{}, fmt.Errorf("read the server's version: %w", err)
	}
	var cells []Cell
	for round := range c.Rounds + 1 {
		for _, strategy := range []string{row, advisory} {
			cell, err := c.measure(ctx, b, strategy)
			if err != nil {
				return Report{}, fmt.Errorf("measure %s in round %d: %w", strategy, round, err)
			}
			cell.Strategy, cell.Round = strategy, round
			if c.Progress != nil {
				c.Progress(cell)
			}
			if round > 0 || cell.Duplicates > 0 {
				cells = append(cells, cell)
			}
		}
	}
	version, _, _ = strings.Cut(version, " ") // packagers add words of their own
	return NewReport(c.Settings, version, cells), nil
}

// measure fills one cell.
func (c Comparison) measure(ctx context.Context, b *books, strategy string) (cell Cell, err error) {
	database, err := b.add(ctx)
	if err != nil {
		return cell, err
	}
	defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx), database)) }()
	m, err := startMeter(ctx, b.admin, database)
	if err != nil {
		return cell, err
	}
	seen, err := withAPI(ctx, billingfake.Config{Idempotent: true, Latency: c.Latency}, func(billingURL string) error {
		began := time.Now()
		err := c.Program.runAll(ctx, c.runners(strategy, b.server.URL(database), billingURL))
		cell.Seconds = time.Since(began).Seconds()
		return err
	})
	if err != nil {
		return cell, err
	}
	cell.Requests, cell.Billed, cell.Duplicates = seen.Requests, seen.Billed, len(seen.Duplicates)
	if cell.Billed != c.Invoices {
		return cell, fmt.Errorf("only %d of %d invoices were billed", cell.Billed, c.Invoices)
	}
	cell.WALBytes, cell.Commits, err = m.read(ctx)
	return cell, err
}

func (c Comparison) runners(strategy, databaseURL, billingURL string) []child {
	var children []child
	for i := range c.Runners {
		name := fmt.Sprintf("runner-%d", i+1)
		children = append(children, child{name: name, args: []string{"run"}, environment: []string{
			"HOSTNAME=" + name, "DATABASE_URL=" + databaseURL, "BILLING_URL=" + billingURL,
			"RUN_LOCK=shared", "LOCK_STRATEGY=" + strategy, "BILLING_IDEMPOTENT=true",
			"CONCURRENCY=" + strconv.Itoa(c.Concurrency), "LOG_LEVEL=warn", "LOG_FORMAT=json",
		}})
	}
	return children
}
