package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// unsettledOf are the invoices that a run could still do something for, unsettled their
// number.
const (
	ofUnsettled = ` from invoices i left join billonce.deliveries d on d.invoice_id = i.id
	where i.pending and (d.state is null or d.state in ('sending', 'retry'))`
	unsettled   = "select count(*)" + ofUnsettled + " and not " + heldByDoubt
	unsettledOf = "select i.id::text" + ofUnsettled
)

// What is in doubt holds back the later ones of its account, where one request is in flight
// for each: only then are there accounts.
const (
	accounts    = "update invoices set customer = 'Account ' || id % 60"
	heldByDoubt = `exists (select from invoices l join billonce.deliveries ld on ld.invoice_id = l.id
	where l.customer = i.customer and l.customer like 'Account %' and l.id < i.id and l.pending and ld.state = 'in_doubt')`
	// goesBefore is what a request was too early for.
	goesBefore = `select l.id::text from invoices i
	join invoices l on l.customer = i.customer and l.customer like 'Account %' and l.id < i.id and l.pending
	left join billonce.deliveries ld on ld.invoice_id = l.id
	where i.id = $1::text::bigint and coalesce(ld.state, 'retry') in ('sending', 'retry', 'in_doubt') limit 1`
)

// noteExit checks what a process said as it ended against what it left.
func (r *round) noteExit(ctx context.Context, p *runner) {
	code, last, raw := p.exit()
	finished := last.Summary != nil && last.Summary.Stopped == ""
	counted := code
	switch {
	case code == "1" && last.Summary == nil:
		counted = "1, not begun" // it found no database to begin with
	case tooFewConnections(code, raw):
		counted = "5, too few connections"
	}
	r.mu.Lock()
	r.exits[counted]++
	r.mu.Unlock()
	switch {
	case (code == "0" || code == "3") && finished:
		r.wantNothingLeft(ctx, p, code)
	case code == "0" && last.Summary == nil && last.Event != lockOfAnother:
		r.violate("%s ended with 0 without a summary: %s", p.name, raw)
	case counted == "2" || counted == "5":
		r.violate("%s ended with %s: %s", p.name, code, raw)
	case counted == "1":
		r.mu.Lock()
		r.early = append(r.early, p.name+": "+raw)
		r.mu.Unlock()
	}
}

func (r *round) wantNothingLeft(ctx context.Context, p *runner, code string) {
	var left int
	err := r.testbed.ask(context.WithoutCancel(ctx), r.database, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, unsettled).Scan(&left)
	})
	if err == nil && left > 0 {
		r.violate("%s ended with %s, as if nothing were left, and left %d invoices", p.name, code, left)
	}
}

func (r *round) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}
