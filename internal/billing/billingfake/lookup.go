package billingfake

import (
	"fmt"
	"net/http"
	"strings"
)

// State is what the API's books say about an invoice.
type State string

// The states, as a look-up's JSON shows them.
const (
	StateNone       State = "" // there was no request, or none that left a trace
	StateProcessing State = "processing"
	StateSent       State = "sent"
	StateRejected   State = "rejected"
)

// Lookup answers a look-up: what an API says of an invoice in a state.
type Lookup func(invoice string, s State) reply

// LookupResource is a resource that comes to be with the request: 404 before.
func LookupResource(invoice string, s State) reply {
	if s == StateNone {
		return failure(http.StatusNotFound, "nothing was done about this invoice")
	}
	return found(invoice, s)
}

// LookupSearch is a search: 200 and a list, which may be empty.
func LookupSearch(invoice string, s State) reply {
	if s == StateNone {
		return reply{status: http.StatusOK, body: []byte(`{"data":[]}`)}
	}
	return reply{status: http.StatusOK, body: fmt.Appendf(nil, `{"data":[{"id":%s,"invoice":%s,"state":%s}]}`,
		quoted("ch_"+invoice), quoted(invoice), quoted(string(s)))}
}

// LookupDraft is a resource that was there before the request, as a draft.
func LookupDraft(invoice string, s State) reply {
	if s == StateNone {
		s = "draft"
	}
	return found(invoice, s)
}

// LookupAlways404 knows nothing, as a misspelt URL.
func LookupAlways404(string, State) reply {
	return failure(http.StatusNotFound, "no such page")
}

// LookupAlways200 is content with everything, as a log-in page.
func LookupAlways200(string, State) reply {
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<!doctype html><title>Log in</title>\n")}
}

// LookupUntil answers as before until it is mended, and then as LookupResource does.
func LookupUntil(mended func() bool, before Lookup) Lookup {
	return func(invoice string, s State) reply {
		if mended() {
			return LookupResource(invoice, s)
		}
		return before(invoice, s)
	}
}

type namedLookup struct {
	name   string
	lookup Lookup
}

func lookups() []namedLookup {
	return []namedLookup{
		{"resource", LookupResource},
		{"search", LookupSearch},
		{"draft", LookupDraft},
		{"always_404", LookupAlways404},
		{"always_200", LookupAlways200},
	}
}

// LookupNames lists what ParseLookup reads.
func LookupNames() []string {
	var names []string
	for _, l := range lookups() {
		names = append(names, l.name)
	}
	return names
}

// ParseLookup returns a look-up by its name.
func ParseLookup(name string) (Lookup, error) {
	for _, l := range lookups() {
		if l.name == name {
			return l.lookup, nil
		}
	}
	return nil, fmt.Errorf("read look-up %q: no such look-up; there are %s", name, strings.Join(LookupNames(), ", "))
}
