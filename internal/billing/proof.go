package billing

import (
	"fmt"
	"slices"
	"time"
)

const (
	// TestedAtMost is how many untried invoices a look-up's test asks about.
	TestedAtMost = 3
	// ControlsKept is how many deliveries a run keeps of which a look-up must say that the
	// API has acted.
	ControlsKept = 20
	// ControlsWindow is how far apart two controls may be for what is absent between them.
	ControlsWindow = time.Minute
	// controlsTried is how many controls are asked about where the first ones don't tell.
	controlsTried = 4
)

// LookUpTest is what came of asking about invoices of which nothing was ever sent.
type LookUpTest struct {
	Settings string   `json:"settings"` // a fingerprint of those that it was made under
	Held     bool     `json:"held"`
	Why      string   `json:"why,omitempty"` // it did not hold; for people
	Asked    []string `json:"asked"`         // for people
}

// TestAnswer is what the look-up says of an invoice of which nothing was ever sent.
type TestAnswer struct {
	InvoiceID InvoiceID
	MadeUpKey bool // it was asked under an idempotency key that no request ever had
	Found     Found
	Begun     bool // it has got a delivery by the time the answer was read: the answer says nothing
}

func (a TestAnswer) about() string {
	if a.MadeUpKey {
		return fmt.Sprintf("invoice %s under a made-up idempotency key", a.InvoiceID)
	}
	return fmt.Sprintf("invoice %s, which was never sent", a.InvoiceID)
}

// JudgeTest says what the answers prove; false: they prove nothing, since none of them
// tells. The look-up has lied if it knows of an effect that can't be.
func JudgeTest(settings string, answers []TestAnswer) (t LookUpTest, told bool) {
	t = LookUpTest{Settings: settings, Held: true}
	for _, a := range answers {
		if a.Begun {
			continue
		}
		t.Asked = append(t.Asked, fmt.Sprintf("%s: %s", a.about(), a.Found.Finding))
		switch a.Found.Finding {
		case Absent, UnknownFinding:
			told = told || a.Found.Told
		default:
			told, t.Held = true, false
			if t.Why == "" {
				t.Why = fmt.Sprintf("the look-up is not believed: it says %q of %s; look at BILLING_LOOKUP_URL and BILLING_LOOKUP_OUTCOMES",
					a.Found.Finding, a.about())
			}
		}
	}
	return t, told
}

// Control is a delivery that a reply accepted: a look-up that tells the truth says so.
type Control struct {
	InvoiceID    InvoiceID
	LookupSHA256 []byte
	At           time.Time // of the reply
}

// RipeControls are those that are at least so old as of now, the youngest first; soon is
// how long it takes until there is one more, 0 if there will be none.
func RipeControls(all []Control, after time.Duration, now time.Time) (ripe []Control, soon time.Duration) {
	for _, c := range all {
		switch young := after - now.Sub(c.At); {
		case young <= 0:
			ripe = append(ripe, c)
		case soon == 0 || young < soon:
			soon = young
		}
	}
	slices.SortStableFunc(ripe, func(a, b Control) int { return b.At.Compare(a.At) })
	return ripe, soon
}

// ControlAnswer is what the look-up says of a control.
type ControlAnswer struct {
	InvoiceID InvoiceID
	Found     Found
}

// JudgeControls says what the answers so far prove, in their order: whether the next
// control is to be asked about, and if not, why the look-up is not believed; empty: it is.
func JudgeControls(answers []ControlAnswer) (more bool, why string) {
	if len(answers) == 0 {
		return true, ""
	}
	switch last := answers[len(answers)-1]; last.Found.Finding {
	case UnknownFinding:
		return len(answers) < controlsTried && !last.Found.Throttled,
			fmt.Sprintf("the look-up is not believed: of invoice %s, which the API has accepted, it does not tell (%s)", last.InvoiceID, last.Found.Reason)
	case Absent:
		return false, fmt.Sprintf("the look-up is not believed: it says that the API has not acted on invoice %s, which it has accepted; look at BILLING_LOOKUP_URL and BILLING_LOOKUP_OUTCOMES", last.InvoiceID)
	default:
		return false, ""
	}
}

// NoTest is why a look-up is not believed that could never be tested.
const NoTest = "the look-up is not believed yet: its test had no answer about an invoice that was never sent, and no earlier run had one under the same settings"

// NoControl is why a look-up is not believed before anything was accepted.
const NoControl = "the look-up is not believed yet: nothing that the API has accepted is known for long enough to ask about it first"

// Why an absence that the look-up tells of does not count.
const (
	AbsentByRow    = "the look-up says that the API has not acted; that does not count where its headers are made from the row"
	AbsentUnproved = "the look-up says that the API has not acted; that counts only between two controls at most a minute apart"
)

// HasRowHeaders says whether a request's look-up has headers that are made from the row.
func (r Request) HasRowHeaders() bool {
	return slices.ContainsFunc(r.Headers, func(h Header) bool { return !h.OfKey })
}
