package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// testPage is how many candidates are read at each place of the book to find an
	// untried one.
	testPage = 100
	// controlLife is how long a control that has held opens further questions.
	controlLife = billing.ControlsWindow / 4
	// controlsRead is of how many controls the rows are read: some have changed since.
	controlsRead = billing.ControlsKept
	// keepControlsEvery is how often a run writes its controls down, besides at its end.
	keepControlsEvery = time.Minute
)

// proof is what the run knows of whether the look-up tells the truth: it is tested
// before it is believed. What the answers prove, package billing says.
type proof struct {
	lookUp   LookUp
	tests    Tests
	scanner  Scanner
	ledger   Ledger
	planner  planner
	pace     *pace
	settings string
	after    time.Duration // BILLING_LOOKUP_AFTER
	timeout  time.Duration
	byReply  bool // it asks about ids that the API has given
	log      zerolog.Logger

	test    billing.LookUpTest
	earlier []billing.Control // of earlier runs
	own     controls

	asking sync.Mutex // one control at a time: who waits for it gets the same answer
	last   control
}

// control is what asking about controls came to.
type control struct {
	asked time.Time     // before the first byte
	why   string        // the look-up is not believed; empty: it is
	seen  []string      // for people
	soon  time.Duration // until it may be; 0: not in this run, as far as it is known
}

// begin tests the look-up, before the run's first request.
func (p *proof) begin(ctx context.Context) error {
	last, earlier, err := p.tests.EarlierTests(ctx, p.settings)
	if err != nil {
		return fmt.Errorf("read how the look-up was tested: %w", err)
	}
	p.earlier = earlier
	answers, err := p.askUntried(ctx)
	if err != nil {
		return fmt.Errorf("test the look-up: %w", err)
	}
	test, told := billing.JudgeTest(p.settings, answers)
	switch {
	case told:
		p.take(ctx, test)
	case last != nil:
		p.test = *last
	default:
		p.test = billing.LookUpTest{Why: billing.NoTest}
	}
	p.warn()
	return nil
}

// again tests it once more, before anything but the run knows of it: the API has effects
// now, and a look-up that ignores what it is asked about says so of everything.
func (p *proof) again(ctx context.Context) error {
	answers, err := p.askUntried(ctx)
	if err != nil {
		return fmt.Errorf("test the look-up: %w", err)
	}
	if test, told := billing.JudgeTest(p.settings, answers); told && p.test.Held && !test.Held {
		p.take(ctx, test)
		p.warn()
	}
	return nil
}

func (p *proof) take(ctx context.Context, test billing.LookUpTest) {
	p.test = test
	if err := p.tests.KeepTest(ctx, test); err != nil {
		p.log.Warn().Err(err).Msg("can't record how the look-up was tested")
	}
}

func (p *proof) warn() {
	if !p.test.Held {
		p.log.Warn().Str("event", "look_up_not_believed").Str("reason", p.test.Why).Strs("asked", p.test.Asked).
			Msg("what is in doubt stays in doubt: the look-up's test does not hold")
	}
}

// askUntried asks about untried invoices from all over the book, until enough of them
// were still untried as the answer was read.
func (p *proof) askUntried(ctx context.Context) (answers []billing.TestAnswer, err error) {
	asking, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	met := map[billing.InvoiceID]bool{}
	for good := 0; good < billing.TestedAtMost && asking.Err() == nil; {
		ids, err := p.untried(ctx, billing.TestedAtMost-good, met)
		if err != nil || len(ids) == 0 {
			return answers, err
		}
		invoices, err := p.ledger.Look(ctx, ids)
		if err != nil {
			return nil, err
		}
		round := p.askAbout(asking, invoices, good == 0)
		seen, err := p.ledger.Look(ctx, ids)
		if err != nil {
			return nil, err
		}
		untouched := map[billing.InvoiceID]bool{}
		for _, inv := range seen {
			untouched[inv.ID] = inv.Delivery == nil
		}
		for _, a := range round {
			a.Begun = !untouched[a.InvoiceID]
			if !a.Begun && !a.MadeUpKey {
				good++
			}
			answers = append(answers, a)
		}
	}
	return answers, nil
}

// askAbout asks about invoices, all at once; about the first also under a made-up key.
func (p *proof) askAbout(ctx context.Context, invoices []billing.Invoice, madeUp bool) []billing.TestAnswer {
	type question struct {
		about   billing.TestAnswer
		request billing.Request
	}
	var questions []question
	for _, inv := range invoices {
		request, err := p.render(inv, "")
		if err != nil || inv.Delivery != nil {
			continue // the run names it
		}
		questions = append(questions, question{billing.TestAnswer{InvoiceID: inv.ID}, request})
		if !madeUp {
			continue
		}
		madeUp = false
		other, err := p.render(inv, uuid.NewString())
		if err == nil && other.LookupURL != request.LookupURL && (request.LookupByKey || !request.LookupByReply) {
			questions = append(questions, question{billing.TestAnswer{InvoiceID: inv.ID, MadeUpKey: true}, other})
		}
	}
	answers := make([]billing.TestAnswer, len(questions))
	var g errgroup.Group
	for i, q := range questions {
		g.Go(func() error {
			answers[i] = q.about
			answers[i].Found = p.ask(ctx, q.request)
			return nil
		})
	}
	_ = g.Wait() // no look-up is an error
	return answers
}

// render makes the request of an invoice; under its own key, or another one.
func (p *proof) render(inv billing.Invoice, key string) (billing.Request, error) {
	inv.Key = billing.KeyOf(p.planner.ledgerID, inv).Text
	if key != "" {
		inv.Key = key
	}
	if inv.Delivery == nil {
		inv.Delivery = &billing.Delivery{ReplyID: uuid.NewString()} // no reply has ever given it
	}
	request, err := p.planner.renderer.Render(inv)
	request.InvoiceID, request.IdempotencyKey = inv.ID, inv.Key
	return request, err
}

// ask makes one look-up, when the pace lets it.
func (p *proof) ask(ctx context.Context, r billing.Request) billing.Found {
	if err := p.pace.waitForLookUp(ctx); err != nil {
		return billing.Found{Reason: "it was not asked: " + err.Error()}
	}
	found := p.lookUp.LookUp(ctx, r)
	if found.Throttled {
		p.pace.slowLookUps(found.RetryAfter)
	}
	return found
}

// untried finds up to n untried invoices that were not met yet, from all over the book.
func (p *proof) untried(ctx context.Context, n int, met map[billing.InvoiceID]bool) ([]billing.InvoiceID, error) {
	var all []billing.InvoiceID
	here := map[billing.InvoiceID]bool{}
	for place := range billing.TestedAtMost {
		start, err := p.scanner.Start(ctx, float64(place)/billing.TestedAtMost)
		if err != nil {
			return nil, err
		}
		page, err := p.scanner.Scan(ctx, start, nil, testPage)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			if c.State == "" && !met[c.ID] && !here[c.ID] {
				here[c.ID] = true
				all = append(all, c.ID)
			}
		}
	}
	n = min(n, len(all))
	ids := make([]billing.InvoiceID, n)
	for i := range ids {
		ids[i] = all[i*len(all)/n]
		met[ids[i]] = true
	}
	return ids, nil
}

// keep writes the controls down as the first ones come, then now and then, and at the
// run's end.
func (p *proof) keep(ctx context.Context, finished <-chan struct{}) {
	for {
		select {
		case <-p.own.news:
		case <-finished:
			select {
			case <-p.own.news:
				p.keepNow(ctx)
			default:
			}
			return
		}
		p.keepNow(ctx)
		pause := time.NewTimer(keepControlsEvery)
		select {
		case <-pause.C:
		case <-finished:
		}
		pause.Stop()
	}
}

func (p *proof) keepNow(ctx context.Context) {
	if err := p.tests.KeepControls(ctx, p.own.latest()); err != nil {
		p.log.Debug().Err(err).Msg("can't record what later runs test their look-up by")
	}
}
