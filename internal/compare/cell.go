package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"billonce/internal/billing/billingfake"
	"billonce/internal/compare/report"
)

const signalTimeout = 30 * time.Second

// measure fills one cell.
func (c Comparison) measure(ctx context.Context, s *stand, setup report.Setup) (cell report.Cell, err error) {
	cell.Setup, cell.Invoices = setup, c.invoices(setup)
	if err := s.refill(ctx, cell.Invoices); err != nil {
		return cell, err
	}
	m, err := s.startMeter(ctx)
	if err != nil {
		return cell, err
	}
	var seen samples
	var said []string
	account, err := withAPI(ctx, billingfake.Config{Idempotent: true, Latency: latencyOf(setup)}, func(billingURL string) error {
		children, err := c.cast(s, setup, billingURL, true)
		if err != nil {
			return err
		}
		seen, err = c.together(ctx, s, m, len(children), func(ctx context.Context) (err error) {
			said, err = c.Program.runAll(ctx, children)
			return err
		})
		return err
	})
	if err != nil {
		return cell, err
	}
	cell.Requests, cell.Duplicates = account.Requests, len(account.Duplicates)
	if account.Billed != cell.Invoices {
		return cell, fmt.Errorf("only %d of %d invoices were billed", account.Billed, cell.Invoices)
	}
	cell.Connections, cell.LockEntries, cell.HorizonSeconds = seen.Connections, seen.LockEntries, seen.Horizon.Seconds()
	spent, err := m.read(ctx, int64(seen.Looks))
	if err != nil {
		return cell, err
	}
	cell.Transactions, cell.Commits, cell.WALBytes = spent.transactions, spent.commits, spent.wal
	cell.DirtiedPages, cell.DeadTuples = spent.pages, spent.dead
	return cell, s.timed(ctx, &cell, m.began, said)
}

// together plays runners that begin at one signal, and waits for their ends.
func (c Comparison) together(ctx context.Context, s *stand, m *meter, runners int, play func(context.Context) error) (seen samples, err error) {
	eyes, err := s.startSampler(ctx)
	if err != nil {
		return seen, err
	}
	defer func() {
		var cerr error
		seen, cerr = eyes.close(ctx)
		err = errors.Join(err, cerr)
	}()
	if err := s.hold(ctx); err != nil {
		return seen, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- play(ctx) }()
	if err := s.signal(ctx, m, eyes, runners, ended); err != nil {
		cancel(err)
		return seen, errors.Join(err, <-ended)
	}
	return seen, <-ended
}

// hold keeps everybody from the invoices: who starts waits at the first look at them.
func (s *stand) hold(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "begin isolation level read committed"); err != nil {
		return fmt.Errorf("hold the runners back: %w", err)
	}
	if _, err := s.conn.Exec(ctx, "lock table "+s.table("invoices")+" in access exclusive mode"); err != nil {
		return fmt.Errorf("hold the runners back: %w", err)
	}
	return nil
}

// signal lets the runners go, once all of them wait.
func (s *stand) signal(ctx context.Context, m *meter, eyes *sampler, runners int, ended chan error) error {
	timeout := time.NewTimer(signalTimeout)
	defer timeout.Stop()
	for waiting := 0; waiting < runners; {
		var open bool
		select {
		case waiting, open = <-eyes.waiting:
			if !open {
				return errors.New("nobody looks at the runners any more")
			}
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the runners ended before they began: %w", err)
		case <-timeout.C:
			return fmt.Errorf("only %d of %d runners had started within %s", waiting, runners, signalTimeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := m.signal(ctx); err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, "commit"); err != nil {
		return fmt.Errorf("let the runners go: %w", err)
	}
	eyes.restart()
	return nil
}

// timed reads how long it took, for each invoice and for all.
func (s *stand) timed(ctx context.Context, cell *report.Cell, began time.Time, said []string) error {
	var seconds, ledger []float64
	for _, line := range said {
		var last struct {
			account
			Summary struct {
				Wasted int `json:"wasted"`
			} `json:"summary"`
		}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			return fmt.Errorf("read what a runner said last: %w\n%s", err, line)
		}
		cell.Held += last.Held + last.Summary.Wasted
		seconds = append(seconds, last.Seconds...)
	}
	// What Billonce's runners took is in their ledger; it is empty after others.
	err := s.conn.QueryRow(ctx, fmt.Sprintf(`select extract(epoch from max(i.sent_at) - $1)::float8,
		coalesce(array_agg(extract(epoch from i.sent_at - d.first_sent_at)::float8) filter (where d.state = 'sent'), '{}')
		from %s i left join %s d on d.invoice_id = i.id`, s.table("invoices"), s.table("deliveries")), began).
		Scan(&cell.Seconds, &ledger)
	if err != nil {
		return fmt.Errorf("read how long the invoices took: %w", err)
	}
	seconds = append(seconds, ledger...)
	if len(seconds) == 0 {
		return errors.New("read how long the invoices took: nobody says")
	}
	slices.Sort(seconds)
	cell.P50MS, cell.P95MS, cell.P99MS = percentile(seconds, 50), percentile(seconds, 95), percentile(seconds, 99)
	return nil
}

// percentile of sorted seconds, in milliseconds: the nearest rank.
func percentile(seconds []float64, p float64) float64 {
	rank := int(math.Ceil(p / 100 * float64(len(seconds))))
	return math.Round(seconds[max(0, rank-1)]*1e6) / 1e3
}
