package billing

import "time"

// Told is what people were told of: the open ones as a run counted them.
type Told struct {
	Of     map[OpenKind]int64 `json:"of"`
	Newest time.Time          `json:"newest"` // when the youngest of them came to be open
	Set    string             `json:"set"`    // the same for the same invoices of the same kinds
}

// News is what people are told as a run ends.
type News string

// What is news.
const (
	NoNews      News = ""
	NewsRefused News = "refused"      // the run was refused
	NewsOpen    News = "open"         // something is open of which nobody was told
	NewsNothing News = "nothing_open" // what people were told of is open no more
)

// Told is what people know once they were told of o.
func (o Open) Told() Told { return Told{o.Of, o.Newest, o.Set} }

// NewsSince is what of o people were not told before. It says too much where some are
// open no more and others were touched, and never too little.
func (o Open) NewsSince(before Told) News {
	knew := int64(0)
	for _, n := range before.Of {
		knew += n
	}
	if o.Count == 0 {
		if knew > 0 {
			return NewsNothing
		}
		return NoNews
	}
	for kind, n := range o.Of {
		if n > before.Of[kind] {
			return NewsOpen
		}
	}
	if o.Set != before.Set && o.Newest.After(before.Newest) {
		return NewsOpen
	}
	return NoNews
}
