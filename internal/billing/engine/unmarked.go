package engine

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// markPage is how many invoices are marked in one transaction, at most.
const markPage = 250

// marker marks at a run's end, with no request, what could not be marked as it was
// settled, by this run or by another.
type marker struct {
	unmarked Unmarked
	settler  *settler
	tally    *billing.Tally
	log      zerolog.Logger
}

// mark goes over all of them once, and counts what is left.
func (m *marker) mark(ctx context.Context) {
	if m.unmarked == nil {
		return
	}
	m.tally.Unmarked.Store(0)
	var after *billing.InvoiceID
	for {
		page, err := m.unmarked.Unmarked(ctx, after, markPage)
		if err != nil {
			m.log.Warn().Err(err).Msg("can't read which accepted invoices are still to be marked: the next run does")
			return
		}
		if len(page) == 0 {
			return
		}
		after = &page[len(page)-1].InvoiceID
		came, err := m.settler.commit(ctx, page)
		if err != nil {
			m.log.Warn().Err(err).Msg("can't settle what is accepted and not marked: the next run tries again")
		}
		m.settler.troubles.settled(page, came)
	}
}
