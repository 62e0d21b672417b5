package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// fate is what became of one invoice, by the database and by the API.
type fate struct {
	id      string
	pending bool
	held    bool // by what is in doubt of its account
	state   billing.State
	api     billingfake.Record
}

// check compares the database with what the API has seen.
func (r *round) check(ctx context.Context, last *runner) (report, error) {
	rep := report{setting: r.setting, Logs: r.dir, Again: r.again()}
	fates, err := r.fates(ctx)
	if err != nil {
		return rep, err
	}
	rep.States = map[billing.State]int{}
	for _, f := range fates {
		rep.States[f.state]++
		if f.state == billing.InDoubt && f.api.Effects == 0 {
			rep.NeedlessDoubts++
		}
		if f.state == billing.InDoubt && f.api.Requests == 0 {
			rep.FalseDoubts++
		}
		r.checkInvoice(f)
	}
	if code, _, raw := last.exit(); code != "0" && code != "3" {
		r.violate("P2: one more run, without faults, ended with %s: %s", code, raw)
	}
	if err := r.checkNothingHeld(ctx); err != nil {
		return rep, err
	}
	r.checkSenders()
	sum := r.judge.api.Summary()
	if sum.Requests == 0 {
		r.violate("no progress: nothing was requested")
	}
	rep.Requests, rep.Effects, rep.APIFaults, rep.Faults, rep.Exits = sum.Requests, sum.Effects, sum.Faults, r.struck, r.exits
	rep.Unwitnessed, rep.Lost, rep.Early = r.judge.unwitnessed, r.lost, r.early
	rep.Violations = append(r.violations, r.judge.violations...)
	return rep, nil
}

func (r *round) fates(ctx context.Context) (fates []fate, err error) {
	err = r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select i.id, i.pending, coalesce(d.state, ''), `+heldByDoubt+`
			from invoices i left join billonce.deliveries d on d.invoice_id = i.id order by i.id`)
		if err != nil {
			return err
		}
		fates, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f fate, err error) {
			var id int64
			err = row.Scan(&id, &f.pending, &f.state, &f.held)
			f.id = strconv.FormatInt(id, 10)
			return f, err
		})
		return err
	})
	for n := range fates {
		fates[n].api = r.judge.api.Invoice(fates[n].id)
	}
	return fates, err
}

// checkInvoice holds one invoice to the promises.
func (r *round) checkInvoice(f fate) {
	wrong := func(format string, args ...any) {
		r.violate("invoice %s (%s, pending %t; %d requests, %d effects): %s", f.id, f.state, f.pending, f.api.Requests, f.api.Effects,
			fmt.Sprintf(format, args...))
	}
	if f.api.Effects > 1 {
		wrong("P1: billed %d times", f.api.Effects)
	}
	if !r.Idempotent && !r.Lookup && f.api.Requests > 1+r.judge.unbilled[f.id] {
		wrong("P1: an API without keys was asked again, after %d replies of 429 or 307", r.judge.unbilled[f.id])
	}
	r.checkSame(f, wrong)
	if f.api.Followed > 0 {
		wrong("a redirect was followed")
	}
	switch f.state {
	case billing.Sent:
		if f.api.Effects != 1 {
			wrong("P3: sent, though it was not billed once")
		}
	case billing.Failed:
		if f.api.Effects != 0 || r.judge.refused[f.id] == 0 {
			wrong("P3: failed, though the API did not refuse it")
		}
	case billing.InDoubt:
		switch {
		case r.Idempotent && !r.Ordinary && r.judge.refused[f.id] == 0:
			wrong("in doubt, though a repeat would have cleared it")
		case r.Survivors == allLive:
			wrong("P2: in doubt, though both runs lived through the fail-over")
		}
	case billing.Retry, "":
		if !f.held {
			wrong("P2: not settled")
		}
	case billing.Sending, billing.Unmarked, billing.Cancelled:
		wrong("P2: not settled")
	}
	if f.pending != (f.state != billing.Sent) {
		wrong("P3: ledger and invoice differ")
	}
}

// checkSenders holds each request against what its runner had said by then.
func (r *round) checkSenders() {
	byName := map[string]*runner{}
	for _, p := range r.all {
		byName[p.name] = p
	}
	most := map[string]int{}
	for _, a := range r.judge.arrivals {
		p := byName[a.runner]
		if p == nil {
			r.violate("a request for invoice %s came from nobody (%q)", a.invoice, a.runner)
			continue
		}
		if !p.mayHaveSent(a.at) {
			most[a.runner]++
		}
	}
	for name, n := range most {
		r.violate("P5: %d requests of %s arrived more than %s after it had said that it would send no more", n, name, slack)
	}
}

// checkOrder: what earlier runs have left goes after what is new, and whose first attempt
// did not have to be repeated.
func (r *round) checkOrder(ctx context.Context, p *runner, left []string, anew []int64) (err error) {
	if r.OnePer {
		return nil // there, they go by key
	}
	var once []string
	err = r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) (err error) {
		once, err = collect[string](ctx, conn, "select invoice_id::text from billonce.deliveries where attempt = 1 and invoice_id = any ($1)", anew)
		return err
	})
	early := ""
	for _, a := range r.judge.arrivals {
		switch {
		case a.runner != p.name:
		case slices.Contains(left, a.invoice):
			early = a.invoice
		case early != "" && slices.Contains(once, a.invoice):
			r.violate("P8: invoice %s, which an earlier run had left, was sent before %s, which was new", early, a.invoice)
			return err
		}
	}
	return err
}

// checkNothingHeld waits for the server to have let go of what the runners held.
func (r *round) checkNothingHeld(ctx context.Context) error {
	const within = 10 * time.Second
	var locks, backends int
	for began := time.Now(); time.Since(began) < within; {
		err := r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `select
				(select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())),
				(select count(*) from pg_stat_activity where datname = current_database() and application_name like 'billonce/%')`).Scan(&locks, &backends)
		})
		if err != nil || locks+backends == 0 {
			return err
		}
		if err := sleep(ctx, askAgain); err != nil {
			return err
		}
	}
	r.violate("%d advisory locks and %d connections are left %s after the last process ended", locks, backends, within)
	return nil
}

// keepEvidence writes what is needed to understand a violation; the runners'
// logs are there already.
func (r *round) keepEvidence(ctx context.Context) error {
	err := r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
		for _, table := range []string{"invoices", "billonce.deliveries", "billonce.history", "billonce.runs"} {
			f, err := os.Create(filepath.Join(r.dir, table+".csv"))
			if err != nil {
				return err
			}
			_, err = conn.PgConn().CopyTo(ctx, f, "copy (select * from "+table+" order by 1) to stdout with (format csv, header)")
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	f, cerr := os.Create(filepath.Join(r.dir, "api.json"))
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	enc := json.NewEncoder(f)
	for _, record := range r.judge.api.Invoices() {
		err = errors.Join(err, enc.Encode(record))
	}
	for _, a := range r.judge.arrivals {
		fmt.Fprintf(f, "%s %s %s\n", a.at.Format("15:04:05.000"), a.runner, a.invoice)
	}
	return errors.Join(err, f.Close())
}
