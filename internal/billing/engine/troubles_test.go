package engine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

func TestP7LogIsBounded(t *testing.T) {
	t.Parallel()
	const invoices = 20_000
	var log bytes.Buffer
	tr := newTroubles(uuid.New(), new(billing.Tally), zerolog.New(&log).Level(zerolog.InfoLevel))
	for _, state := range []billing.State{billing.Failed, billing.InDoubt, billing.Unmarked, billing.Sending} {
		for n := range invoices {
			s := billing.Settlement{State: state, Reason: "HTTP 404"}
			s.InvoiceID = billing.InvoiceID(fmt.Sprint(n))
			tr.settled([]billing.Settlement{s}, []billing.Settled{billing.SettledFully})
		}
	}
	tr.totals()
	if lines, most := strings.Count(log.String(), "\n"), 4*(linesAtMost+1); lines != most {
		t.Errorf("%d lines in the log, want %d:\n%.2000s", lines, most, log.String())
	}
	if n := strings.Count(log.String(), fmt.Sprintf(`"event":"trouble_count","count":%d`, invoices)); n != 4 {
		t.Errorf("%d kinds are counted, want 4", n)
	}
}
