package compare

import (
	"fmt"
	"math"
	"strings"
)

// find says in one sentence what the numbers show, and no more than that.
func (r Report) find() string {
	switch {
	case r.Duplicates() > 0:
		return fmt.Sprintf("Invoices were billed more than once (%s of them): nothing else counts.", thousands(float64(r.Duplicates())))
	case len(r.Strategies) != 2:
		return "There are no two strategies to compare."
	case r.Settings.Rounds < 2:
		return "One round has no spread, so it says nothing about a difference: ask for more --rounds."
	}
	base, other := r.Strategies[0], r.Strategies[1]
	var differ, same []string
	for _, m := range []struct {
		name        string
		base, other Spread
	}{
		{"invoices a second", base.InvoicesPerSecond, other.InvoicesPerSecond},
		{"bytes of WAL", base.WALBytesPerInvoice, other.WALBytesPerInvoice},
		{"commits", base.CommitsPerThousand, other.CommitsPerThousand},
	} {
		if m.base.overlaps(m.other) {
			same = append(same, m.name)
			continue
		}
		differ = append(differ, ratio(m.other.Median/m.base.Median)+" "+m.name)
	}
	inside := "what differs in " + list(same) + " is inside the spread of the rounds"
	switch {
	case len(differ) == 0:
		return fmt.Sprintf("Between %s and %s, %s.", base.Strategy, other.Strategy, inside)
	case len(same) == 0:
		return fmt.Sprintf("Compared with %s, %s had %s.", base.Strategy, other.Strategy, list(differ))
	}
	return fmt.Sprintf("Compared with %s, %s had %s; %s.", base.Strategy, other.Strategy, list(differ), inside)
}

// overlaps says that the rounds contradict each other about which is larger.
func (s Spread) overlaps(o Spread) bool { return s.Min <= o.Max && o.Min <= s.Max }

// ratio puts x into words: 1.35 is "35% more".
func ratio(x float64) string {
	if x >= 2 {
		return fmt.Sprintf("%.1f times the", x)
	}
	than := "more"
	if x < 1 {
		than = "fewer"
	}
	percent := 100 * math.Abs(x-1)
	if percent < 1 {
		return "less than 1% " + than
	}
	return fmt.Sprintf("%.0f%% %s", percent, than)
}

func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
