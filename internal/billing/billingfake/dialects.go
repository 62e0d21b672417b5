package billingfake

import (
	"fmt"
	"strings"
)

// namedDialect is a real API's dialect, as its public documents have it in 2026.
// Where a real one takes requests without a key, and bills each of them, this
// one refuses them: it is there to find the mistake.
type namedDialect struct {
	name string
	Dialect
}

func dialects() []namedDialect {
	return []namedDialect{
		{"ietf", Dialect{Required: true, RemembersRefusals: true}},
		{"stripe", Dialect{Required: true, MaxLength: 255, Scope: "Stripe-Account", Mismatch: 400, RemembersRefusals: true}},
		{"paypal", Dialect{Header: "PayPal-Request-Id", Required: true, MaxLength: 108, RemembersRefusals: true}},
		// Refusals are processed afresh, and a repeat while the first is at work is
		// throttled (Checkout.com, "Idempotency").
		{"checkout", Dialect{Header: "Cko-Idempotency-Key", Required: true, InProgress: 429}},
		{"chargebee", Dialect{Header: "chargebee-idempotency-key", Required: true, MaxLength: 100, RemembersRefusals: true, ReplayHeader: "chargebee-idempotency-replayed"}},
		// The error is DuplicateIdempotencyKey (Amazon Pay API v2, "Idempotency").
		{"amazonpay", Dialect{Header: "x-amz-pay-idempotency-key", Required: true, MaxLength: 32, Mismatch: 400, RemembersRefusals: true}},
		{"square", Dialect{Field: "idempotency_key", Required: true, MaxLength: 45, Mismatch: 400, RemembersRefusals: true}},
		// The same response as before, whatever the second request says (Intuit,
		// "RequestID").
		{"quickbooks", Dialect{Query: "requestid", Required: true, MaxLength: 50, Mismatch: 200, RemembersRefusals: true}},
	}
}

// DialectNames lists what ParseDialect reads.
func DialectNames() []string {
	var names []string
	for _, d := range dialects() {
		names = append(names, d.name)
	}
	return names
}

// ParseDialect returns the dialect of a real API.
func ParseDialect(name string) (Dialect, error) {
	for _, d := range dialects() {
		if d.name == name {
			return d.Dialect, nil
		}
	}
	return Dialect{}, fmt.Errorf("read dialect %q: no such dialect; there are %s", name, strings.Join(DialectNames(), ", "))
}
