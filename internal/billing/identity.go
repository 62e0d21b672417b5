package billing

// Identity says which database a ledger is in. A part that is empty is not known.
type Identity struct {
	System   string `json:"system,omitempty"`   // pg_control_system()
	Database string `json:"database,omitempty"` // its oid
	Ledger   string `json:"ledger,omitempty"`   // the oids of its tables
	Timeline string `json:"timeline,omitempty"` // a fail-over and a recovery begin another one
	Server   string `json:"-"`                  // microseconds of the epoch since which it runs: two servers may be on timelines of one number
}

// ByRun is who has the ledger trust a database, where no person does.
const ByRun = "batch run"

// Same compares the parts that both sides know. anyTimeline: a new timeline alone is no
// question (FAILOVER_LOSES_COMMITS=false).
func (i Identity) Same(o Identity, anyTimeline bool) bool {
	return same(i.System, o.System) && same(i.Database, o.Database) && same(i.Ledger, o.Ledger) &&
		(anyTimeline || same(i.Timeline, o.Timeline))
}

func same(a, b string) bool { return a == "" || b == "" || a == b }

// Since says what has become of the database since it was another one.
func (i Identity) Since(o Identity) string {
	switch {
	case !same(i.System, o.System):
		return "this is another cluster than the one that was used last: its data was restored there, or it was upgraded"
	case !same(i.Database, o.Database):
		return "this is a copy of the database that was used last, or was restored beside it"
	case !same(i.Ledger, o.Ledger):
		return "its ledger was restored since it was used last"
	case !same(i.Timeline, o.Timeline):
		return "it was failed over since it was used last, or recovered to an earlier moment"
	}
	return "it is the one that was used last"
}

func (i Identity) String() string {
	text := func(s string) string {
		if s == "" {
			return "?"
		}
		return s
	}
	return "system " + text(i.System) + ", database " + text(i.Database) + ", ledger " + text(i.Ledger) + ", timeline " + text(i.Timeline)
}
