package desk

import (
	"cmp"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// OpenItem is one invoice that waits for a person.
type OpenItem struct {
	InvoiceID billing.InvoiceID `json:"invoice_id"`
	Kind      billing.OpenKind  `json:"kind"`
	State     *billing.State    `json:"state"`   // null: it has no delivery
	Attempt   *int              `json:"attempt"` // likewise
	Reason    string            `json:"reason"`
	Since     time.Time         `json:"since"`
	Key       string            `json:"idempotency_key,omitempty"`
	ReplyID   string            `json:"reply_id,omitempty"` // what the API calls the invoice
	Delivery  *Delivery         `json:"-"`                  // nil: it has none
	Row
}

// money is what it bills, in whatever currency; 0: it is not known.
func (i OpenItem) money() *big.Rat {
	n, ok := new(big.Rat).SetString(text(i.Amount))
	if !ok {
		return new(big.Rat)
	}
	return n
}

func mostMoneyFirst(items []OpenItem) {
	type priced struct {
		OpenItem
		money *big.Rat
	}
	all := make([]priced, len(items))
	for i, item := range items {
		all[i] = priced{item, item.money()}
	}
	slices.SortStableFunc(all, func(a, b priced) int { return b.money.Cmp(a.money) })
	for i, p := range all {
		items[i] = p.OpenItem
	}
}

// OpenCount is what was open as the last run ended, less what was decided since.
type OpenCount struct {
	Count   int64               `json:"count"`
	At      time.Time           `json:"at"`
	RunID   string              `json:"run_id"`
	Decided int64               `json:"decided_since"`
	Groups  []billing.OpenGroup `json:"groups"` // as the run ended
}

// NewOpenCount takes off what was decided. What is in doubt or unmarked now is known
// without a join, and never left out.
func NewOpenCount(counted, decided, atLeast int64) int64 {
	return max(counted-decided, atLeast, 0)
}

// openGroup is what is open for one reason.
type openGroup struct {
	kind   billing.OpenKind
	reason string
	since  time.Time
	items  []OpenItem
	sums   sums
}

// groupOpen groups by kind and reason, the most money first, then the most invoices; within a
// group the most money first, too: only so many are shown.
func groupOpen(items []OpenItem) []*openGroup {
	var groups []*openGroup
	known := make(map[string]*openGroup)
	numbers := regexp.MustCompile("[0-9]+")
	for _, item := range items {
		alike := string(item.Kind) + " " + numbers.ReplaceAllString(item.Reason, "#")
		g := known[alike]
		if g == nil {
			g = &openGroup{kind: item.Kind, reason: item.Reason, since: item.Since, sums: sums{}}
			known[alike], groups = g, append(groups, g)
		}
		g.items = append(g.items, item)
		if item.Since.Before(g.since) {
			g.since = item.Since
		}
		g.sums.add(text(item.Amount), text(item.Currency))
	}
	for _, g := range groups {
		mostMoneyFirst(g.items)
	}
	slices.SortStableFunc(groups, func(a, b *openGroup) int {
		return cmp.Or(b.sums.most().Cmp(a.sums.most()), cmp.Compare(len(b.items), len(a.items)))
	})
	return groups
}

// idsShown is how many invoices of a group are named to people; --json and --csv name all.
const idsShown = 20

// PrintOpen writes what is open for people, by reasons, and what to do.
func PrintOpen(out io.Writer, items []OpenItem) error { return printGroups(out, items, true) }

// PrintGroups writes deliveries of one state for people, by reasons.
func PrintGroups(out io.Writer, deliveries []Delivery) error {
	items := make([]OpenItem, len(deliveries))
	for i, d := range deliveries {
		items[i] = OpenItem{InvoiceID: d.InvoiceID, Kind: billing.OpenKind(d.State), Reason: seenText(d.HTTPStatus, d.Error), Since: d.UpdatedAt, Delivery: &deliveries[i], Row: d.Row}
	}
	return printGroups(out, items, false)
}

func printGroups(out io.Writer, items []OpenItem, withCommand bool) error {
	var b strings.Builder
	for _, g := range groupOpen(items) {
		fmt.Fprintf(&b, "%s %s: %s\n", words.Count(len(g.items)), openWords(g.kind), words.OneLine(g.reason))
		if text := g.sums.String(); text != "" {
			fmt.Fprintf(&b, "  together %s\n", text)
		}
		fmt.Fprintf(&b, "  the oldest since %s\n", words.Stamp(g.since))
		g.printInvoices(&b)
		if withCommand {
			fmt.Fprintf(&b, "  %s\n", whatToDo(g.kind))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printInvoices shows the first ones, with the evidence.
func (g *openGroup) printInvoices(out io.Writer) {
	first := g.items[:min(len(g.items), idsShown)]
	for _, item := range first {
		fmt.Fprintf(out, "  invoice %s\n", words.ShellWord(string(item.InvoiceID)))
		item.Row.print(out, "    ")
		for _, line := range []string{item.Story(), item.Decidable()} {
			if line != "" {
				fmt.Fprintf(out, "    %s\n", line)
			}
		}
	}
	if n := len(g.items) - len(first); n > 0 {
		fmt.Fprintf(out, "  and %s more\n", words.Count(n))
	}
}

func openWords(kind billing.OpenKind) string {
	switch kind {
	case billing.OpenInDoubt:
		return "in doubt"
	case billing.OpenUnmarked:
		return "accepted, but not marked"
	case billing.OpenPendingAgain:
		return "pending again"
	case billing.OpenSetAside:
		return "set aside"
	case billing.OpenRetry:
		return "to be tried again for two days"
	case billing.OpenFailed:
	}
	return string(kind)
}

func whatToDo(kind billing.OpenKind) string {
	switch kind {
	case billing.OpenInDoubt:
		return "look into the API's books, then: batch resolve --sent|--retry|--cancel --reason '…' -- ID…"
	case billing.OpenFailed:
		return "mend what the API refused, then: batch resolve --retry|--sent|--cancel --reason '…' -- ID…"
	case billing.OpenRetry:
		return "look into the API's books, then: batch resolve --sent|--cancel --reason '…' -- ID…, or mend what keeps it from being sent"
	case billing.OpenPendingAgain:
		return "if it is to be sent once more: batch resolve --again --reason '…' -- ID…; otherwise mark its row sent, or take it out of INVOICES_PENDING"
	case billing.OpenUnmarked, billing.OpenSetAside:
	}
	return "mend the row, or take it out of INVOICES_PENDING; the next batch run goes on with it"
}

// WriteOpenCSV writes what is open, with an empty column for decisions.
func WriteOpenCSV(out io.Writer, items []OpenItem) error {
	c := OpenCSV{Out: out}
	if err := c.Write(items); err != nil {
		return err
	}
	return c.End()
}

// OpenCSV writes what is open as it comes, with an empty column for decisions.
type OpenCSV struct {
	Out io.Writer
	t   *rowTable
}

// Write takes some of what is open; the first ones say which columns are shown.
func (c *OpenCSV) Write(items []OpenItem) error {
	if len(items) == 0 {
		return nil
	}
	return c.write(items)
}

func (c *OpenCSV) write(items []OpenItem) error {
	if c.t == nil {
		rows := make([]Row, len(items))
		for i := range items {
			rows[i] = items[i].Row
		}
		t, err := newRowTable(c.Out, rows, "invoice_id", "kind", "state", "attempt", "reason", "since", "amount", "currency", "reply_id", "evidence", "decide_at")
		if err != nil {
			return err
		}
		c.t = &t
	}
	for _, i := range items {
		attempt, state, decideAt := "", "", ""
		if i.Delivery != nil && i.Delivery.DecideIn > 0 {
			decideAt = words.Stamp(i.Delivery.DecideAt)
		}
		if i.Attempt != nil {
			attempt = strconv.Itoa(*i.Attempt)
		}
		if i.State != nil {
			state = string(*i.State)
		}
		err := c.t.row(i.Row, string(i.InvoiceID), string(i.Kind), state, attempt, i.Reason, words.Stamp(i.Since), text(i.Amount), text(i.Currency), i.ReplyID, i.Story(), decideAt)
		if err != nil {
			return err
		}
	}
	return nil
}

// End writes what is left.
func (c *OpenCSV) End() error {
	if c.t == nil {
		if err := c.write(nil); err != nil {
			return err
		}
	}
	return c.t.end()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
