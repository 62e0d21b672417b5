package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// fakeRest has so many pending invoices behind the place, and before the start.
type fakeRest struct {
	runners, behind, before, asked int
	err                            error
}

func (f *fakeRest) Runners(context.Context) (int, error) { return f.runners, f.err }

func (f *fakeRest) CountAhead(_ context.Context, after, _ *billing.InvoiceID, most int) (int, error) {
	f.asked++
	if after == nil {
		return min(most, f.before), f.err
	}
	return min(most, f.behind), f.err
}

// A claim takes no more than its even share of what is left for all runners.
func TestClaimsAreEvenSharesOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	id := billing.InvoiceID("7")
	for name, c := range map[string]struct {
		rest fakeRest
		want int
	}{
		"enough":                   {fakeRest{runners: 2, behind: 10_000}, 200},
		"enough before the start":  {fakeRest{runners: 2, before: 10_000}, 200},
		"little":                   {fakeRest{runners: 8, behind: 1000, before: 1000}, 83},
		"little for two":           {fakeRest{runners: 2, behind: 300, before: 300}, 100},
		"more runners are to come": {fakeRest{runners: 1, behind: 600}, 100},
		"hardly any":               {fakeRest{runners: 8, behind: 3}, probeSize},
		"it can't be counted":      {fakeRest{runners: 8, behind: 3, err: errors.New("away")}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &pass{scan: &scan{rest: &rest{port: &c.rest, claims: 3}}, start: &id, last: &id}
			if got := p.evenShare(t.Context(), 200); got != c.want {
				t.Errorf("a claim of %d, want %d", got, c.want)
			}
		})
	}
}

// Where it takes long to count what is left, the last count holds for a while.
func TestCountingWhatIsLeftTakesLittleTime(t *testing.T) {
	t.Parallel()
	id, port := billing.InvoiceID("7"), &fakeRest{runners: 8, behind: 2000}
	p := &pass{scan: &scan{rest: &rest{port: port, claims: 3}}, start: &id, last: &id}
	first := p.evenShare(t.Context(), 200)
	p.rest.next = time.Now().Add(time.Hour)
	asked := port.asked
	if again := p.evenShare(t.Context(), 200); first != 83 || again != first || port.asked != asked {
		t.Errorf("claims of %d and %d, counted %d times more", first, again, port.asked-asked)
	}
}
