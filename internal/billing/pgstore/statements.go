package pgstore

import "github.com/billonce/billonce/sql"

// statements are the texts of a run's statements, filled for one book.
type statements struct {
	scan, scanAfter, scanUpTo, scanAfterUpTo string
	look, lookLedger, lockRows, bounds       string
	values, valuesOwn, valuesOlder           string
	intendNew, intendFenced, intendAgain     string
	intended, settled, pendingCount          string
	settle, settleEach, mark, keep, kept     string
	runStart, runSince, runFinish            string
	lower, lowerGuarded                      string
	sendableCount, usualPending              string
	runSettings, runAccepted, runThrottled   string
	runSettled, runStands                    string
	paused                                   string
	acceptIdentity, foundIdentity            string
	beginAgain, runRecorded, runsBehind      string
	identity, identityHere                   []string // the next one, where the database can't say what one asks for
	isPending, missingID, twins, markTrial   string
	pendingAmong, unmarked                   string
	pendingAmongGuarded                      string
	leftOverFound, leftOverPending           string
	scanGuarded, scanGuardedAfter            string
	lookGuarded, lockRowsAny                 string
	setAside, setAsideOver, markGuarded      string
	staysPending, staysPendingGuarded        string
	keys, keysAfter, keysUpTo, keysAfterUpTo string
	ahead, aheadAfter                        string
	aheadUpTo, aheadAfterUpTo                string
	runsUnfinished, rowHolders               string
	writeOff, leftOver, gone                 string
	openGroups, openGroupsFailing            string
	openBefore, told, tell                   string
	pendingAgain, pendingAgainOver           string
	lookAny, earlierTests                    string
	keepTest, keepControls                   string
	submittedNext, submittedCount            string
}

func newStatements(n sql.Names) (s statements, err error) {
	for _, q := range []struct {
		into  *string
		name  string
		flags []string
	}{
		{&s.scan, "scan", nil},
		{&s.scanAfter, "scan", []string{"after"}},
		{&s.scanUpTo, "scan", []string{"upto"}},
		{&s.scanAfterUpTo, "scan", []string{"after", "upto"}},
		{&s.look, "look", nil},
		{&s.values, "values", nil},
		{&s.valuesOwn, "values", []string{"own"}},
		{&s.valuesOlder, "values", []string{"older"}},
		{&s.lookAny, "look", []string{"any"}},
		{&s.lookLedger, "look_ledger", nil},
		{&s.lower, "lower", nil},
		{&s.lowerGuarded, "lower", []string{"guarded"}},
		{&s.lockRows, "lock_rows", nil},
		{&s.bounds, "bounds", nil},
		{&s.pendingCount, "pending_count", nil},
		{&s.intendNew, "intend_new", nil},
		{&s.intendFenced, "intend_new", []string{"fenced"}},
		{&s.intendAgain, "intend_again", nil},
		{&s.intended, "intended", nil},
		{&s.settle, "settle", nil},
		{&s.settleEach, "settle", []string{"each"}},
		{&s.mark, "mark", nil},
		{&s.markGuarded, "mark", []string{"guarded"}},
		{&s.staysPending, "stays_pending", nil},
		{&s.staysPendingGuarded, "stays_pending", []string{"guarded"}},
		{&s.keep, "keep", nil},
		{&s.kept, "kept", nil},
		{&s.settled, "settled", nil},
		{&s.runStart, "run_start", nil},
		{&s.runSince, "run_since", nil},
		{&s.runSettings, "run_settings", nil},
		{&s.sendableCount, "sendable_count", nil},
		{&s.usualPending, "usual_pending", nil},
		{&s.runAccepted, "run_accepted", nil},
		{&s.runSettled, "run_settled", nil},
		{&s.runStands, "run_stands", nil},
		{&s.runThrottled, "run_throttled", nil},
		{&s.runFinish, "run_finish", nil},
		{&s.writeOff, "write_off", nil},
		{&s.leftOver, "left_over", nil},
		{&s.gone, "gone", nil},
		{&s.openGroups, "open", []string{"groups"}},
		{&s.openGroupsFailing, "open", []string{"groups", "failing"}},
		{&s.openBefore, "open_before", nil},
		{&s.told, "told", nil},
		{&s.tell, "tell", nil},
		{&s.pendingAgain, "pending_again", nil},
		{&s.pendingAgainOver, "pending_again_over", nil},
		{&s.paused, "paused", nil},
		{&s.acceptIdentity, "accept_identity", nil},
		{&s.foundIdentity, "found_identity", nil},
		{&s.beginAgain, "begin_again", nil},
		{&s.runRecorded, "run_recorded", nil},
		{&s.runsBehind, "runs_behind", nil},
		{&s.isPending, "is_pending", nil},
		{&s.markTrial, "mark_trial", nil},
		{&s.missingID, "missing_id", nil},
		{&s.twins, "twins", nil},
		{&s.pendingAmong, "pending_among", nil},
		{&s.pendingAmongGuarded, "pending_among", []string{"guarded"}},
		{&s.leftOverFound, "left_over", []string{"found"}},
		{&s.leftOverPending, "left_over", []string{"pending"}},
		{&s.unmarked, "unmarked", nil},
		{&s.scanGuarded, "scan", []string{"upto", "guarded"}},
		{&s.scanGuardedAfter, "scan", []string{"after", "upto", "guarded"}},
		{&s.lookGuarded, "look", []string{"guarded"}},
		{&s.lockRowsAny, "lock_rows", []string{"any"}},
		{&s.setAside, "set_aside", nil},
		{&s.setAsideOver, "set_aside_over", nil},
		{&s.keys, "keys_after", nil},
		{&s.keysAfter, "keys_after", []string{"after"}},
		{&s.keysUpTo, "keys_after", []string{"upto"}},
		{&s.keysAfterUpTo, "keys_after", []string{"after", "upto"}},
		{&s.ahead, "ahead", nil},
		{&s.aheadAfter, "ahead", []string{"after"}},
		{&s.aheadUpTo, "ahead", []string{"upto"}},
		{&s.aheadAfterUpTo, "ahead", []string{"after", "upto"}},
		{&s.runsUnfinished, "runs_unfinished", nil},
		{&s.rowHolders, "row_holders", nil},
		{&s.earlierTests, "look_up_earlier", nil},
		{&s.keepTest, "look_up_test", nil},
		{&s.submittedNext, "submitted", nil},
		{&s.submittedCount, "submitted", []string{"count"}},
		{&s.keepControls, "look_up_controls", nil},
	} {
		if q.name == "lower" && n.OnePer == "" {
			continue
		}
		text, err := sql.Query(q.name, n, q.flags...)
		if err != nil {
			return s, err
		}
		*q.into = text
	}
	if s.identity, err = sql.Identity(n); err != nil {
		return s, err
	}
	s.identityHere, err = sql.Identity(n, "here")
	return s, err
}
