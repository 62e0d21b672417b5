package desk

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// OpenPart asks for a part of what is open: of one kind, the most money first.
type OpenPart struct {
	Kind   billing.OpenKind
	Reason string     // those with a reason like this one, whatever its numbers; empty: all
	After  *OpenPlace // nil: from the beginning
	Limit  int
}

// OpenPlace is a place in the order of what is open.
type OpenPlace struct {
	Order     string // a number: less money is later, and what is not known last
	InvoiceID billing.InvoiceID
}

// OpenPage is one part of what is open.
type OpenPage struct {
	Items []OpenItem
	Next  *OpenPlace // nil: it was the last one
}

// OpenKinds are the kinds of what is open, the most urgent first.
func OpenKinds() []billing.OpenKind {
	return []billing.OpenKind{
		billing.OpenInDoubt, billing.OpenPendingAgain, billing.OpenFailed, billing.OpenUnmarked, billing.OpenRetry, billing.OpenSetAside,
	}
}

// OpenRead is what was read of one kind, in no order.
type OpenRead struct {
	Kind  billing.OpenKind
	Items []OpenItem
	More  bool // there are more
}

// Group is what is open for one reason.
type Group struct {
	Kind      billing.OpenKind
	Reason    string // of one of them
	Count     int64
	AtLeast   bool // it was not counted to the end
	Since     time.Time
	Sums      string     // by currency; empty: no amounts are known
	CountedAt *time.Time // by the last run; nil: now

	most *big.Rat
}

// Groups groups what is open by reason, the most money first. Of a kind of which there are
// too many to be read, the groups are those that the last run has counted.
func Groups(read []OpenRead, last *OpenCount) []Group {
	var groups []Group
	for _, r := range read {
		counted := []Group(nil)
		if r.More && last != nil {
			counted = countedGroups(r.Kind, *last)
		}
		if groups = append(groups, counted...); len(counted) > 0 {
			continue
		}
		for _, g := range groupOpen(r.Items) {
			groups = append(groups, Group{
				Kind: g.kind, Reason: g.reason, Count: int64(len(g.items)), AtLeast: r.More, Since: g.since,
				Sums: g.sums.String(), most: g.sums.most(),
			})
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Or(b.most.Cmp(a.most), cmp.Compare(b.Count, a.Count)) })
	return groups
}

func countedGroups(kind billing.OpenKind, last OpenCount) (groups []Group) {
	for _, g := range last.Groups {
		if g.Kind != kind {
			continue
		}
		total := sums{}
		for currency, amount := range g.Sums {
			total.add(amount, currency)
		}
		groups = append(groups, Group{
			Kind: kind, Reason: g.Reason, Count: g.Count, Since: g.Since, Sums: total.String(), CountedAt: &last.At, most: total.most(),
		})
	}
	return groups
}

// SumsOf adds up what some deliveries bill, by currency; empty where no amount is known.
func SumsOf(deliveries []Delivery) string {
	total := sums{}
	for _, d := range deliveries {
		total.add(text(d.Amount), text(d.Currency))
	}
	return total.String()
}

// KindInWords is the kind as people say it: 3 invoices are …
func KindInWords(kind billing.OpenKind) string { return openWords(kind) }

// likeness is how many characters of two reasons are compared.
const likeness = 200

// ShortReason is as much of a reason as [LikeReason] goes by.
func ShortReason(reason string) string {
	n := 0
	for i := range reason {
		if n++; n > likeness+1 {
			return reason[:i]
		}
	}
	return reason
}

// LikeReason is the pattern (LIKE, with \ as its escape) of reasons that differ from this
// one in their numbers alone, in what is between digits, or far behind.
func LikeReason(reason string) string {
	var b strings.Builder
	digits, n := false, 0
	for _, r := range reason {
		if n++; n > likeness {
			b.WriteByte('%')
			break
		}
		if digit := r >= '0' && r <= '9'; digit {
			if !digits {
				b.WriteByte('%')
			}
			digits = true
			continue
		}
		digits = false
		if strings.ContainsRune(`\%_`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Seen is what was seen of a delivery's last attempt, on one line.
func (d Delivery) Seen() string { return words.OneLine(seenText(d.HTTPStatus, d.Error)) }
