package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

// believes says whether the look-up is believed, by the run's test and by a control that
// was asked about after since.
func (p *proof) believes(ctx context.Context, since time.Time) control {
	if !p.test.Held {
		return control{why: p.test.Why}
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if p.last.asked.After(since) {
		return p.last
	}
	c, err := p.askControl(ctx, (*billing.Delivery).StandsAccepted)
	if err != nil {
		return control{why: "the look-up is not believed: " + err.Error()}
	}
	if c.soon == 0 {
		p.last = c
	}
	return c
}

// deniesSent is why an absence that the look-up tells of does not count for what is
// submitted: it knows nothing of what was certainly sent, either. Empty: it counts. It
// leads to a doubt at most, and so it need not be proved by a control.
func (p *proof) deniesSent(ctx context.Context) string {
	c, err := p.askControl(ctx, func(d *billing.Delivery) bool {
		return d != nil && (d.State == billing.Sent || d.State == billing.Unmarked)
	})
	switch {
	case err != nil:
		return "the look-up is not believed: " + err.Error()
	case len(c.seen) == 0:
		return ""
	}
	return c.why
}

// distrusted is why nothing that the look-up says of what is submitted counts; empty: it
// does. Its answer about an id that the API has given can't be about another request, but
// one that knows of effects that can't be is a liar; a look-up by anything else has been
// tested to hold.
func (p *proof) distrusted() string {
	if p.test.Held || p.byReply && p.test.Why == billing.NoTest {
		return ""
	}
	return p.test.Why
}

// askControl asks about the youngest control that stands, is old enough, and whose look-up
// is still the same; where that one does not tell, about further ones.
func (p *proof) askControl(ctx context.Context, stands func(*billing.Delivery) bool) (c control, err error) {
	c.asked = time.Now()
	ripe, soon := billing.RipeControls(append(p.own.all(), p.earlier...), p.after, c.asked)
	ripe = ripe[:min(len(ripe), controlsRead)]
	ids := make([]billing.InvoiceID, len(ripe))
	for i := range ripe {
		ids[i] = ripe[i].InvoiceID
	}
	invoices, err := p.tests.LookAny(ctx, ids)
	if err != nil {
		return c, fmt.Errorf("read invoices that the API has accepted: %w", err)
	}
	rows := map[billing.InvoiceID]billing.Invoice{}
	for _, inv := range invoices {
		rows[inv.ID] = inv
	}
	var answers []billing.ControlAnswer
	for _, r := range ripe {
		inv, there := rows[r.InvoiceID]
		if !there || !stands(inv.Delivery) {
			continue
		}
		request, err := p.render(inv, "")
		if err != nil || !bytes.Equal(request.LookupSHA256, r.LookupSHA256) {
			continue
		}
		found := p.ask(ctx, request)
		answers = append(answers, billing.ControlAnswer{InvoiceID: r.InvoiceID, Found: found})
		c.seen = append(c.seen, fmt.Sprintf("invoice %s, which the API has accepted: %s", r.InvoiceID, found.Finding))
		var more bool
		if more, c.why = billing.JudgeControls(answers); !more {
			if c.why == "" {
				c.why = p.ignoresKey(ctx, inv, request)
			}
			break
		}
	}
	switch n := len(answers); {
	case n == 0:
		c.why, c.soon = billing.NoControl, soon
	case answers[n-1].Found.Throttled:
		c.soon = max(answers[n-1].Found.RetryAfter, lingerPoll)
	}
	return c, nil
}

// ignoresKey is why a look-up by idempotency key is not believed: it knows of a control
// under a made-up key, too.
func (p *proof) ignoresKey(ctx context.Context, inv billing.Invoice, request billing.Request) string {
	other, err := p.render(inv, uuid.NewString())
	if err != nil || other.LookupURL == request.LookupURL || request.LookupByReply && !request.LookupByKey {
		return ""
	}
	test, _ := billing.JudgeTest(p.settings, []billing.TestAnswer{{InvoiceID: inv.ID, MadeUpKey: true, Found: p.ask(ctx, other)}})
	return test.Why
}
