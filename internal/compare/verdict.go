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

const whatNext = `
What next
  batch compare            measure the lock strategies against each other
  batch help environment   what to set for your own invoices and billing API
  batch migrate            make the ledger beside your invoices; then: batch run
`

// moral says what the API has counted.
func moral(a Act) string {
	var shares []string
	for _, name := range slices.Sorted(maps.Keys(a.Servers)) {
		shares = append(shares, fmt.Sprintf("%s %d", name, a.Servers[name]))
	}
	text := fmt.Sprintf("The API counts %d requests for %d invoices (%s):\n", a.Requests, a.Invoices, strings.Join(shares, ", "))
	switch a.BilledTwice {
	case 0:
		text += "nobody was billed twice."
	case 1:
		text += "1 customer was billed twice."
	default:
		text += fmt.Sprintf("%d customers were billed twice.", a.BilledTwice)
	}
	if a.Recovered > 0 && a.BilledTwice == 0 {
		text += fmt.Sprintf(" What the dead server left was recovered after %.1f s.", a.Recovered)
	}
	return text
}

func (s Story) writeVerdict(told Told) {
	const line = "%-19s  %8v  %12v  %6v  %s\n"
	fmt.Fprintf(s.Out, "\n"+line, "by the API's count", "requests", "billed twice", "errors", "what it teaches")
	for i, a := range told.Acts {
		fmt.Fprintf(s.Out, line, fmt.Sprintf("%d. %s", i+1, a.Name), a.Requests, a.BilledTwice, a.Errors, a.Lesson)
	}
	if !told.AsTold {
		fmt.Fprint(s.Out, "\nThis is not how the story should have come out. Please report it, with this output.\n")
		return
	}
	fmt.Fprint(s.Out, whatNext)
}
