package engine

import (
	"context"
	"fmt"

	"github.com/billonce/billonce/internal/billing"
)

// samplePage is how many candidates are read at once, where one of them is wanted.
const samplePage = 50

// sample finds up to n candidates that fit, from all over the book, and takes no locks.
func (s *scan) sample(ctx context.Context, n int, offset float64, fits func(billing.Candidate) bool) ([]billing.Candidate, error) {
	var found []billing.Candidate
	met := map[billing.InvoiceID]bool{}
	for i := range n {
		place := (float64(i) + offset) / float64(n)
		var start *billing.InvoiceID
		var err error
		if s.onePer == nil {
			if start, err = s.scanner.Start(ctx, place); err != nil {
				return nil, fmt.Errorf("choose where to look: %w", err)
			}
		}
		seen := map[string]bool{} // values: only a value's first one may be sent
		c, err := s.firstFrom(ctx, start, func(c billing.Candidate) bool {
			if c.Value != nil {
				if seen[*c.Value] || met[c.ID] {
					seen[*c.Value] = true
					return false
				}
				seen[*c.Value] = true
			}
			return !met[c.ID] && fits(c)
		})
		if err != nil {
			return nil, err
		}
		if c == nil {
			break // the whole table was seen
		}
		met[c.ID] = true
		found = append(found, *c)
	}
	return found, nil
}

// firstFrom is the first candidate behind start that fits, else the first from the
// beginning; nil: there is none.
func (s *scan) firstFrom(ctx context.Context, start *billing.InvoiceID, fits func(billing.Candidate) bool) (*billing.Candidate, error) {
	after, upTo := start, (*billing.InvoiceID)(nil)
	for !s.stop.stopped() {
		page, err := s.scanner.Scan(ctx, after, upTo, samplePage)
		if err != nil {
			return nil, fmt.Errorf("scan pending invoices: %w", err)
		}
		for i := range page {
			if page[i].Fault == nil && fits(page[i]) {
				return &page[i], nil
			}
		}
		switch {
		case len(page) == samplePage:
			after = &page[len(page)-1].ID
		case upTo == nil && start != nil:
			after, upTo = nil, start
		default:
			return nil, nil
		}
	}
	return nil, nil
}
