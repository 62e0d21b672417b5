package billing

import "slices"

// Request is what is sent for one attempt.
type Request struct {
	InvoiceID      InvoiceID
	IdempotencyKey string
	URL            string
	Headers        []Header // that are made for the invoice
	LookupURL      string   // empty where no look-up is configured
	LookupByReply  bool     // it asks about the id that the API gave in its reply: about what is submitted, and no doubt
	LookupByKey    bool     // it asks for what was done under the key, and nothing else
	Body           []byte
	SHA256         []byte   // which request it is ([RequestHash])
	LookupSHA256   []byte   // which look-up belongs to it ([LookUpHash]); nil: none
	Repeat         bool     // an earlier attempt may have reached the API under the same key
	Warning        string   // what is probably wrong with it, for people; empty: nothing
	Secrets        []Secret // that its URL, its look-up's or its body was made from
	TraceParent    string   // W3C Trace Context, section 3.2; empty: no trace
}

// Secret is a value of the row that is never shown.
type Secret string

// String and GoString keep it out of whatever prints a request.
func (Secret) String() string { return "***" }

// GoString is for %#v.
func (s Secret) GoString() string { return s.String() }

// CarriesRowSecret says whether the request shows a credential that is the invoice's own.
func (r Request) CarriesRowSecret() bool {
	return len(r.Secrets) > 0 || slices.ContainsFunc(r.Headers, func(h Header) bool { return h.Secret })
}

// Mention is a name that stands in one of the user's templates.
type Mention struct {
	Variable string // whose value the template is
	Name     string
	Ours     bool // it stands for something of ours, and for no column
}
