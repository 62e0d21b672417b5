package billing

// Identity says which database a ledger is in. A part that is empty is not known.
type Identity struct {
	System   string `json:"system,omitempty"`   // pg_control_system()
	Database string `json:"database,omitempty"` // its oid
	Ledger   string `json:"ledger,omitempty"`   // the oid of the ledger's table
	Timeline string `json:"timeline,omitempty"` // a fail-over and a recovery begin another one
}

// Same compares the parts that both sides know. anyTimeline: a new timeline alone is no
// question (FAILOVER_LOSES_COMMITS=false).
func (i Identity) Same(o Identity, anyTimeline bool) bool {
	same := func(a, b string) bool { return a == "" || b == "" || a == b }
	return same(i.System, o.System) && same(i.Database, o.Database) && same(i.Ledger, o.Ledger) &&
		(anyTimeline || same(i.Timeline, o.Timeline))
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
