package doctor

import (
	"context"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/words"
)

// examineFailover says whether the ledger trusts this database, whether a fail-over of it
// can lose commits, and what follows from that under these settings.
func examineFailover(ctx context.Context, e *exam) (Finding, error) {
	st, err := e.readStatus(ctx)
	if err != nil {
		return Finding{}, err
	}
	if a := st.Accepted; a != nil && !st.Identity.Same(*a, !e.Forgets) {
		seen := "the ledger does not trust this database: " + st.Identity.Since(*a)
		if e.Keys {
			return warning("Nothing, while the API remembers the keys: a run that goes through all of it has the ledger trust it", "%s", seen), nil
		}
		return refused("Compare with the billing API's own list: `batch reconcile FILE --adopt`; then `batch resume --accept-database --reason …`", "%s", seen), nil
	}
	var standbys string
	if err := e.main[0].QueryRow(ctx, advisory.OnPrimary+"select current_setting('synchronous_standby_names')").Scan(&standbys); err != nil {
		return Finding{}, err
	}
	switch {
	case standbys != "" && e.Forgets:
		return ok("commits wait for standbys (synchronous_standby_names = %s), and after a fail-over a run asks all the same whether any was lost: "+
			"FAILOVER_LOSES_COMMITS=false, if none but these is ever promoted", words.OneLine(standbys)), nil
	case standbys != "":
		return ok("commits wait for standbys: synchronous_standby_names = %s", words.OneLine(standbys)), nil
	case !e.Forgets:
		return warning("Unless the storage is shared, take FAILOVER_LOSES_COMMITS=false away",
			"a fail-over can lose commits (synchronous_standby_names is empty), and nobody would notice: FAILOVER_LOSES_COMMITS=false"), nil
	case e.Keys:
		return ok("a fail-over can lose commits (synchronous_standby_names is empty): runs that live through one write theirs again, and others go on under idempotency keys"), nil
	}
	return ok("a fail-over can lose commits (synchronous_standby_names is empty): runs that live through one write theirs again; after one without a run, the next run asks a person"), nil
}
