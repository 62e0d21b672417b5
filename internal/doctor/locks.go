package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/words"
)

func portOf(port uint16) string { return fmt.Sprint(port) }

func examineRecovery(ctx context.Context, e *exam) (Finding, error) {
	for _, conn := range e.all() {
		if err := advisory.RefuseStandby(ctx, conn); err != nil {
			return Finding{}, err
		}
	}
	return ok("a primary, open for writing"), nil
}

func examineInvoiceLocks(ctx context.Context, e *exam) (Finding, error) {
	if err := advisory.ProveTransactionLocks(ctx, e.main[0], e.main[1]); err != nil {
		return Finding{}, err
	}
	return ok("proved: what one connection locks, another does not get"), nil
}

func examineRunLock(ctx context.Context, e *exam) (Finding, error) {
	if e.RunLock == "off" {
		return ok("off"), nil
	}
	if err := advisory.ProveSessionLocks(ctx, e.lock[0], e.lock[1]); err != nil {
		return Finding{}, err
	}
	if !e.OnePath {
		err := advisory.ProveTransactionLocks(ctx, e.main[0], e.lock[0])
		if unsafe := (*advisory.UnsafeError)(nil); errors.As(err, &unsafe) {
			return refused("Let both lead to the same database, as PostgreSQL's advisory locks are each database's own",
				"LOCK_DATABASE_URL leads to another database than DATABASE_URL: the run lock keeps nobody out there"), nil
		}
		if err != nil {
			return Finding{}, err
		}
	}
	return ok("proved: what one session locks, another does not get (RUN_LOCK=%s)", e.RunLock), nil
}

// examineLockTable says whether so many runners have room, each with all the
// claims that it may open.
func examineLockTable(ctx context.Context, e *exam) (Finding, error) {
	table, err := advisory.ReadTable(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	wants, share := pgstore.Claims*e.ClaimSize, table.Share()
	each := min(wants, share)
	seen := fmt.Sprintf("%s of %s slots in use; %s of CLAIM_SIZE=%d: up to %s locks each",
		words.Count(table.Held), words.Count(table.Slots), runners(e.Runners), e.ClaimSize, words.Count(each))
	switch {
	case table.Held*2 > table.Slots:
		return warning("Find out who holds them (pg_locks), or raise max_locks_per_transaction", "%s", seen), nil
	case share < wants:
		return warning("Raise max_locks_per_transaction (a restart), or lower CLAIM_SIZE",
			"%s, a quarter of what is free, instead of %s", seen, words.Count(wants)), nil
	case e.Runners*each > table.Slots/2:
		return warning("Raise max_locks_per_transaction (a restart), or lower CLAIM_SIZE",
			"%s: together more than half of the table", seen), nil
	}
	return ok("%s", seen), nil
}

func runners(n int) string {
	if n == 1 {
		return "one runner"
	}
	return fmt.Sprintf("%d runners", n)
}

// examineForeignLocks finds who else takes advisory locks whose keys are those
// of invoices.
func examineForeignLocks(ctx context.Context, e *exam) (Finding, error) {
	held, err := advisory.ObjectHolders(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	foreign := map[string]int{}
	for _, h := range held {
		if !strings.HasPrefix(h.ApplicationName, "billonce/") {
			foreign[h.String()]++
		}
	}
	if len(foreign) == 0 {
		return ok("nobody else holds locks in the invoices' key space"), nil
	}
	var who []string
	for name, n := range foreign {
		who = append(who, fmt.Sprintf("%s holds %d", name, n))
	}
	const shown = 5
	if len(who) > shown {
		who = append(who[:shown], fmt.Sprintf("and %d more", len(who)-shown))
	}
	return warning("Set LOCK_NAMESPACE, so that our keys are not theirs; all runners at once, between two runs",
		"another application takes advisory locks in the invoices' key space, and keeps invoices of the same number from being sent: %s", strings.Join(who, "; ")), nil
}
