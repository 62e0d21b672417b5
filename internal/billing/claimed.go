package billing

import "context"

// Claimed is a set of invoices that are locked in one open transaction.
type Claimed struct {
	IDs         []InvoiceID       // locked, in the order of the candidates
	Recoverable map[InvoiceID]int // of those, the attempt whose `sending` may be taken over: both locks were got
	Lost        <-chan struct{}   // closed when the claim's connection is known to be gone
	// Settle is not nil where only the claim's own transaction may settle, as it ends.
	// It returns what the ledger's Commit does of what ended.
	Settle  func(context.Context, []Settlement) ([]Settled, error)
	Release func(context.Context) error
}
