package matrix_test

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// table shows the matrix: a line for each point and action, a column for each
// world. "3: 23+1" is the hits up to when it happened, invoices sent, and in
// doubt; "late" counts requests of a woken target.
func table(all []cell, came map[cell]outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "hits: sent+in doubt")
	var sum outcome
	hit := 0
	line := ""
	for _, c := range all {
		if c.point == all[0].point && c.action == all[0].action {
			fmt.Fprintf(w, "\t%s, %s", c.strategy, c.api())
		}
	}
	for _, c := range all {
		if name := c.point + " " + c.action; name != line {
			line = name
			fmt.Fprintf(w, "\n%s", name)
		}
		o, ok := came[c]
		if !ok {
			fmt.Fprint(w, "\t–") // failed, or not run
			continue
		}
		hit++
		sum = outcome{sum.hits + o.hits, sum.sent + o.sent, sum.inDoubt + o.inDoubt, sum.late + o.late}
		fmt.Fprintf(w, "\t%d: %d+%d", o.hits, o.sent, o.inDoubt)
		if o.late > 0 {
			fmt.Fprintf(w, ", %d late", o.late)
		}
	}
	fmt.Fprintln(w)
	_ = w.Flush() // into memory
	fmt.Fprintf(&b, "%d of %d cases: %d hits, %d invoices sent, %d in doubt, %d requests by a runner that was woken up beyond its permit",
		hit, len(all), sum.hits, sum.sent, sum.inDoubt, sum.late)
	return b.String()
}
