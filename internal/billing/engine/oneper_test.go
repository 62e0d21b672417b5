package engine

import (
	"context"
	"strconv"
	"testing"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// valued has pending invoices 1 to n, of so many values in turn.
type valued struct{ n, values int }

func (v valued) Start(context.Context, float64) (*billing.InvoiceID, error) { return nil, nil }

func (v valued) Scan(_ context.Context, after, _ *billing.InvoiceID, limit int) (page []billing.Candidate, err error) {
	from := 0
	if after != nil {
		if from, err = strconv.Atoi(string(*after)); err != nil {
			return nil, err
		}
	}
	for id := from + 1; id <= v.n && len(page) < limit; id++ {
		value := strconv.Itoa(id % v.values)
		page = append(page, billing.Candidate{ID: billing.InvoiceID(strconv.Itoa(id)), Value: &value})
	}
	return page, nil
}

// P8: claims share the values out, whether they are few or many; what a claim lets go is
// taken up again, and each value's invoices come in their order.
func TestP8ClaimsShareTheValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ values, each int }{{1, 1}, {5, 2}, {12, 4}, {300, 20}} {
		stop := newStopper(zerolog.Nop())
		s := &scan{
			scanner: valued{n: 600, values: c.values}, budget: newBudget(0), pace: newPace(Config{Concurrency: 30}, stop, zerolog.Nop()), stop: stop,
			onePer: newOnePer(nil, terms{claims: 3, claimLeast: 20}, zerolog.Nop()),
		}
		p, err := s.newPass(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]int{}
		next := func(want int) []billing.Candidate {
			claim, err := p.nextOfValues(t.Context(), 200)
			if err != nil || len(claim) != want {
				t.Fatalf("%d values: a claim has %d, want %d (%v)", c.values, len(claim), want, err)
			}
			for _, one := range claim {
				id, _ := strconv.Atoi(string(one.ID))
				if id < last[*one.Value] {
					t.Errorf("%d values: invoice %d after %d", c.values, id, last[*one.Value])
				}
				last[*one.Value] = id
			}
			return claim
		}
		first := next(c.each)
		if c.values >= 3*c.each {
			next(c.each)
			next(c.each)
		}
		p.free(first, ids(first))
		next(c.each)
	}
}

func ids(candidates []billing.Candidate) (all []billing.InvoiceID) {
	for _, c := range candidates {
		all = append(all, c.ID)
	}
	return all
}
