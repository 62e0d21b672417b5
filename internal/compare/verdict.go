package compare

import (
	"fmt"
	"strings"
)

const openingNaive = `Two servers start the batch at the same moment. Each reads the pending invoices;
for each of them it calls the billing API, then updates the row.`

const openingBillonce = `The same two servers and invoices, but each runs "batch run" with RUN_LOCK=shared.`

const whatNext = `
What next
  batch compare            measure the lock strategies against each other
  batch help environment   what to set for invoices and a billing API of your own
  batch migrate            make the ledger beside your invoices; then: batch run
`

// moral says what the API has counted.
func moral(a Act) string {
	var shares []string
	for _, name := range serverNames() {
		shares = append(shares, fmt.Sprintf("%s %d", name, a.Servers[name]))
	}
	text := fmt.Sprintf("The API counts %d requests for %d invoices (%s): ", a.Requests, a.Invoices, strings.Join(shares, ", "))
	if a.BilledTwice == 0 {
		return text + "nobody was billed twice."
	}
	return text + fmt.Sprintf("%d customers were billed twice.", a.BilledTwice)
}

func (s Story) writeVerdict(told Told) {
	fmt.Fprintf(s.Out, "\n%-20s %10s %10s %14s\n", "by the API's count", "invoices", "requests", "billed twice")
	for i, a := range told.Acts {
		fmt.Fprintf(s.Out, "%d. %-17s %10d %10d %14d\n", i+1, a.Name, a.Invoices, a.Requests, a.BilledTwice)
	}
	if !told.AsTold {
		fmt.Fprint(s.Out, "\nThis is not how the story should have come out. Please report it, with this output.\n")
		return
	}
	fmt.Fprint(s.Out, whatNext)
}
