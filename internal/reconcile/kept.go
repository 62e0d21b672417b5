package reconcile

import (
	"encoding/json"
	"fmt"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// Kept reads what the ledger keeps of a reconciliation, in the words of its report.
func Kept(figures string) ([]desk.Difference, error) {
	var k kept
	if err := json.Unmarshal([]byte(figures), &k); err != nil {
		return nil, fmt.Errorf("read what is kept of a reconciliation: %w", err)
	}
	var all []desk.Difference
	for _, kind := range append([]Kind{Agreed}, append(Differences(), UnderWay, Earlier)...) {
		f := k.Figures[kind]
		if f.Count == 0 {
			continue
		}
		d := desk.Difference{What: kind.text(), Count: f.Count, Sums: f.sums(), Agreed: kind == Agreed}
		for _, one := range k.Examples[kind] {
			d.Between = append(d.Between, desk.Between{
				InvoiceID: billing.InvoiceID(one.InvoiceID), Name: words.OneLine(cut(one.Name())), What: one.text(),
			})
		}
		all = append(all, d)
	}
	return all, nil
}
