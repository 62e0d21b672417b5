// Package doctor examines an environment before a run relies on it: the server
// and what stands before it, the locks, the rights, the tables, the billing API.
// It leaves nothing changed, and asks nothing of the API but the look-up.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
)

// Subject is what is examined: the configuration of a run.
type Subject struct {
	Main, Lock *pgx.ConnConfig
	OnePath    bool // Main and Lock are one
	Book       book.Book
	RunLock    string // exclusive, shared or off
	Runners    int    // that are to work side by side
	ClaimSize  int
	Longest    time.Duration     // that a request may take
	Forgets    bool              // FAILOVER_LOSES_COMMITS
	Keys       bool              // BILLING_IDEMPOTENT
	BillingURL string            // empty: not set
	TLS        *tls.Config       // of requests; nil: nothing particular
	Row        bool              // requests need the row as JSON
	Columns    []string          // columns that requests need as text
	Mentions   []billing.Mention // the names in the requests' templates
	// LookUp tests the look-up as a run does: what it asked and what that said, and why it
	// is not believed (empty: it is). Nil: none is configured.
	LookUp func(ctx context.Context) (seen, why string, err error)
}

// Verdict of a check.
type Verdict string

// A run goes on after a warning. It does not start where it is refused.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning"
	Refused Verdict = "refused"
)

// Finding is what one check came to.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Seen    string  `json:"seen"`
	Remedy  string  `json:"remedy,omitempty"`
}

// check is one thing that is looked at.
type check struct {
	name    string
	examine func(ctx context.Context, e *exam) (Finding, error)
}

func checks() []check {
	return []check{
		{"server", examineServer},
		{"encryption", examineEncryption},
		{"pooler", examinePooler},
		{"recovery", examineRecovery},
		{"invoice locks", examineInvoiceLocks},
		{"run lock", examineRunLock},
		{"lock table", examineLockTable},
		{"connections", examineConnections},
		{"time-outs", examineTimeouts},
		{"isolation", examineIsolation},
		{"ledger", examineLedger},
		{"key", examineKey},
		{"rights", examineRights},
		{"row security", examineRowSecurity},
		{"mark", examineMark},
		{"index", examineIndex},
		{"fail-over", examineFailover},
		{"pause", examinePause},
		{"backlog", examineBacklog},
		{"under way", examineUnderWay},
		{"foreign locks", examineForeignLocks},
		{"billing API", examineAPI},
		{"look-up", examineLookUp},
	}
}

// exam is a subject with two connections over each of its paths.
type exam struct {
	Subject
	main, lock [2]*pgx.Conn
	status     *desk.Status   // once it was read
	place      *pgstore.Place // once it was found
	examined   *examined      // once it was
}

// Examine makes all checks. What can't be connected to is refused, and not
// examined further.
func Examine(ctx context.Context, s Subject) Report {
	e := &exam{Subject: s}
	defer e.close(ctx)
	if err := e.connect(ctx); err != nil {
		r := Report{Finding{"server", Refused, err.seen, err.remedy}}
		f, _ := examineAPI(ctx, e)
		f.Check = "billing API"
		return append(r, f)
	}
	var r Report
	for _, c := range checks() {
		f, err := e.within(ctx, c)
		if err != nil {
			f = asFinding(err)
		}
		f.Check = c.name
		r = append(r, f)
		if err := e.tidy(ctx); err != nil {
			return append(r, Finding{"server", Refused, err.seen, err.remedy})
		}
	}
	return r
}

// checkMost bounds one check: the user's SQL, or who holds a table, may take for ever.
const checkMost = 15 * time.Second

func (e *exam) within(ctx context.Context, c check) (Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkMost)
	defer cancel()
	f, err := c.examine(ctx, e)
	if err != nil && ctx.Err() != nil {
		return warning("Look at what INVOICES_PENDING and a view in INVOICES_TABLE call, and in pg_stat_activity for who has locked the table",
			"it took longer than %s, and was given up", checkMost), nil
	}
	return f, err
}

const grantRemedy = "Run `batch migrate --role NAME` as the owner of the tables, with this role's name"

// asFinding tells what would stop a run from what only could not be examined.
func asFinding(err error) Finding {
	var unsafe *advisory.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		return Finding{Verdict: Refused, Seen: unsafe.Seen + ". " + unsafe.Why, Remedy: unsafe.Remedy}
	case pgstore.DoesNotFit(err):
		return Finding{Verdict: Refused, Seen: err.Error(), Remedy: "`batch help environment` explains the variables; `batch migrate` makes the ledger"}
	}
	if pgerr.Is(err, pgerrcode.InsufficientPrivilege) {
		return Finding{Verdict: Refused, Seen: err.Error(), Remedy: grantRemedy}
	}
	return Finding{Verdict: Warning, Seen: "it could not be examined: " + err.Error(), Remedy: "Fix the error and run `batch doctor` again"}
}

// unreachable is why there is no connection, and what to do.
type unreachable struct{ seen, remedy string }

func (e *exam) connect(ctx context.Context) *unreachable {
	connect := func(variable string, cfg *pgx.ConnConfig) (*pgx.Conn, *unreachable) {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			seen, remedy := pgstore.Unreachable(variable, cfg, err)
			return nil, &unreachable{variable + ": " + seen, remedy}
		}
		return conn, nil
	}
	away := func(conn *pgx.Conn) bool { return conn == nil || conn.IsClosed() }
	for i := range e.main {
		var why *unreachable
		if away(e.main[i]) {
			if e.main[i], why = connect("DATABASE_URL", e.Main); why != nil {
				return why
			}
		}
		if e.OnePath {
			e.lock[i] = e.main[i]
		} else if away(e.lock[i]) {
			if e.lock[i], why = connect("LOCK_DATABASE_URL", e.Lock); why != nil {
				return why
			}
		}
	}
	return nil
}

func (e *exam) all() []*pgx.Conn { return append(e.main[:], e.lock[:]...) }

// tidy ends what a check that failed has left open, and connects again where one was
// given up.
func (e *exam) tidy(ctx context.Context) *unreachable {
	for _, conn := range e.all() {
		if !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' {
			_ = conn.PgConn().Exec(ctx, "rollback").Close()
		}
	}
	return e.connect(ctx)
}

func (e *exam) close(ctx context.Context) {
	for _, conn := range e.all() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}
}

func ok(format string, args ...any) Finding {
	return Finding{Verdict: OK, Seen: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Verdict: Warning, Seen: fmt.Sprintf(format, args...), Remedy: remedy}
}

func refused(remedy, format string, args ...any) Finding {
	return Finding{Verdict: Refused, Seen: fmt.Sprintf(format, args...), Remedy: remedy}
}
