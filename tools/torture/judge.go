package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const (
	// witnessPatience bounds how long the ledger is asked about a request that has
	// arrived: the request itself must not be held up.
	witnessPatience = 200 * time.Millisecond
	witnesses       = 3
)

// judge is the billing API and what it asks the ledger about each request.
type judge struct {
	testbed   *testbed
	database  string
	ordinary  bool
	api       *billingfake.API
	server    *billingfake.Server
	faultless atomic.Bool  // no faults any more
	mended    atomic.Bool  // the look-up
	first     atomic.Int64 // of a head of invoices that fail all the same
	last      atomic.Int64 // of it
	conns     chan *pgx.Conn

	mu          sync.Mutex
	arrivals    []arrival
	unbilled    map[string]int                            // invoice: requests answered with what says that nothing was done: 429, 307
	refused     map[string]int                            // invoice: requests answered with 402 or 307
	distinct    map[string]map[[sha256.Size]byte]struct{} // invoice: its requests
	unwitnessed int
	violations  []string
}

type arrival struct {
	runner, invoice string
	at              time.Time
}

func (s *testbed) newJudge(database string, c setting) (*judge, error) {
	j := &judge{testbed: s, database: database, ordinary: c.Ordinary, distinct: map[string]map[[sha256.Size]byte]struct{}{}, conns: make(chan *pgx.Conn, witnesses), unbilled: map[string]int{}, refused: map[string]int{}}
	for range witnesses {
		j.conns <- nil
	}
	faults, err := billingfake.ParseFaults(c.apiFaults(), int64(c.Seed))
	if err != nil {
		return nil, err
	}
	failing, err := billingfake.ParseFault("reply_500")
	if err != nil {
		return nil, err
	}
	before := j.before
	if c.Failover != "" {
		before = nil // what a fail-over loses is no longer in the ledger as a request arrives
	}
	j.api = billingfake.New(billingfake.Config{
		Idempotent: c.Idempotent, Latency: c.Latency, Before: before, Lookup: j.lookUps(c),
		Fault: func(r billingfake.Received) billingfake.Fault {
			if j.headFails(r.Invoice) {
				return failing
			}
			fault := faults(r)
			if fault == nil || j.faultless.Load() {
				return nil
			}
			j.noteFault(r.Invoice, fault.String())
			return fault
		},
	})
	j.server, err = billingfake.Listen("127.0.0.1:0", j.api)
	return j, err
}

func (j *judge) noteFault(invoice, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case strings.HasPrefix(name, "reply_429"):
		j.unbilled[invoice]++
	case name == "redirect_307": // asked elsewhere before anything was accepted, refused among others
		j.unbilled[invoice]++
		j.refused[invoice]++
	case name == "reply_402":
		j.refused[invoice]++
	}
}

// before is called as a request has arrived: its intent must be in the ledger.
func (j *judge) before(r billingfake.Received) {
	ctx, cancel := context.WithTimeout(context.Background(), witnessPatience)
	defer cancel()
	fault, err := j.askLedger(ctx, r)
	j.mu.Lock()
	defer j.mu.Unlock()
	runner := r.Header.Get("Runner")
	j.tellApart(r)
	j.arrivals = append(j.arrivals, arrival{runner, r.Invoice, r.At})
	switch {
	case err != nil:
		j.unwitnessed++
	case fault != "":
		j.violations = append(j.violations, fmt.Sprintf("invoice %s, request %d, by %s: %s", r.Invoice, r.Attempt, runner, fault))
	}
}

// askLedger asks what must hold however late it is asked: the intent is there,
// with this key and body, and each request that has ever arrived has had an
// attempt of its own. An attempt that the ledger gave back as never begun must
// not arrive.
func (j *judge) askLedger(ctx context.Context, r billingfake.Received) (fault string, err error) {
	var conn *pgx.Conn
	select {
	case conn = <-j.conns:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { j.conns <- conn }()
	if conn == nil || conn.IsClosed() {
		if conn, err = pgx.Connect(ctx, j.testbed.server.URL(j.database)+"&application_name="+application); err != nil {
			conn = nil
			return "", err
		}
	}
	var attempt int
	var key, body, givenBack bool
	err = conn.QueryRow(ctx, `select attempt, idempotency_key::text = $2, body_sha256 = sha256($3) or $4 and attempt > $5,
			state = 'retry' and not doubtful and http_status is null
		from billonce.deliveries where invoice_id = $1::text::bigint`, r.Invoice, r.Key, r.Body, j.ordinary, r.Attempt).Scan(&attempt, &key, &body, &givenBack)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "no intent is committed", nil
	case err != nil:
		return "", err
	case !key:
		return "its key is not the ledger's", nil
	case !body:
		return "its body is not the ledger's", nil
	case attempt < r.Attempt:
		return fmt.Sprintf("the ledger knows of %d attempts", attempt), nil
	case attempt == r.Attempt && givenBack:
		return "the ledger has it as never begun", nil
	}
	var before string
	if err := conn.QueryRow(ctx, goesBefore, r.Invoice).Scan(&before); err == nil {
		return "invoice " + before + " of its account comes first", nil
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return "", err
	}
	return "", nil
}

func (j *judge) close(ctx context.Context) error {
	j.faultless.Store(true)
	err := j.server.Close(ctx)
	for range witnesses {
		if conn := <-j.conns; conn != nil {
			_ = conn.Close(ctx) // it served its purpose
		}
	}
	return err
}
