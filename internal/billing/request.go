package billing

// Request is what is sent for one attempt.
type Request struct {
	InvoiceID      InvoiceID
	IdempotencyKey string
	URL            string
	LookupURL      string // empty where no look-up is configured
	Body           []byte
	Repeat         bool   // an earlier attempt may have reached the API under the same key
	TraceParent    string // W3C Trace Context, section 3.2; empty: no trace
}
