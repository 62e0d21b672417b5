package desk

import "github.com/billonce/billonce/internal/billing"

// SearchFor is what an invoice is searched by, where it is not its own key.
type SearchFor string

// Both read the whole ledger.
const (
	SearchReplyID SearchFor = "reply_id"        // what the API calls the invoice
	SearchKey     SearchFor = "idempotency_key" // as a UUID, with or without its dashes
)

// Hit is an invoice that was found.
type Hit struct {
	InvoiceID billing.InvoiceID
	State     billing.State // empty: its delivery was pruned
	Attempt   int           // that has what was searched for
	Earlier   bool          // it was an earlier attempt
}
