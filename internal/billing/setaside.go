package billing

// MostSetAside is how many invoices that are set aside are kept in mind by their ids.
const MostSetAside = 10_000

// SetAside is a pending invoice of which no request can be built, or whose SQL fails.
type SetAside struct {
	ID     InvoiceID
	Reason string
}

// FoundSetAside is what a run has set aside.
type FoundSetAside struct {
	Invoices []SetAside // the first of them, [MostSetAside] at most
	Whole    bool       // the run has seen the whole table
}
