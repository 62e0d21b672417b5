package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const openingAlone = `The program that everybody writes first: read the pending invoices; for each of
them call the billing API, then update the row. One server runs it.`

const openingUnlocked = `The same program, started on two servers at the same moment.`

const openingLocked = `The textbook's program, on both: for each invoice a transaction, SELECT … FOR
UPDATE NOWAIT, the call, the update, the commit.`

const openingLockedKilled = `The textbook's program. Server A is killed (SIGKILL) between the call and the
commit, so PostgreSQL undoes its transaction. Then server B starts.`

const openingBillonce = `Two servers run "batch run" with RUN_LOCK=shared, on twice the invoices.
Server A is killed at the same place: the API has acted, and nothing is settled.`

const openingForgets = `Server A runs "batch run" to its end: everybody is billed. Then the database
fails, and a backup from before is restored: all invoices are pending again, and
the ledger knows of none. The API has no idempotency keys. Server B starts.`

// whatNext takes the program's path.
const whatNext = `
What next
  %[1]s compare            measure the lock strategies against each other
  %[1]s help environment   what to set for your own invoices and billing API
  %[1]s migrate            make the ledger beside your invoices; then: %[1]s run
`

// count says what the API has counted.
func count(s Counts) string {
	var shares []string
	for _, name := range slices.Sorted(maps.Keys(s.Servers)) {
		shares = append(shares, fmt.Sprintf("%s %d", name, s.Servers[name]))
	}
	text := fmt.Sprintf("The API counts %d requests for %d invoices (%s):\n", s.Requests, s.Invoices, strings.Join(shares, ", "))
	switch s.BilledTwice {
	case 0:
		text += "nobody was billed twice."
	case 1:
		text += "1 customer was billed twice."
	default:
		text += fmt.Sprintf("%d customers were billed twice.", s.BilledTwice)
	}
	if s.Recovered > 0 && s.BilledTwice == 0 {
		text += fmt.Sprintf(" What the dead server left was recovered after %.1f s.", s.Recovered)
	}
	return text
}

func (d Demo) writeTable(all DemoResult) {
	const line = "%-21s %8v %12v %6v  %s\n"
	fmt.Fprintf(d.Out, "\n"+line, "by the API's count", "requests", "billed twice", "errors", "what happens")
	for i, s := range all.Scenarios {
		fmt.Fprintf(d.Out, line, fmt.Sprintf("%d. %s", i+1, s.Name), s.Requests, s.BilledTwice, s.Errors, s.Lesson)
	}
	if !all.AsExpected {
		fmt.Fprint(d.Out, "\nThese are not the expected counts. Please report it, with this output.\n")
		return
	}
	fmt.Fprintf(d.Out, whatNext, d.Program.Name)
}
