package desk_test

import (
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// P11: what happened is said in words and in order, with times of the day, and from when
// on and by what it is decided.
func TestP11TheEvidenceIsAStory(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	at := func(hour, minute, second int) time.Time { return time.Date(2026, 3, 1, hour, minute, second, 0, zone) }
	sent := at(3, 15, 2)
	later := func(d time.Duration) *time.Time { t := sent.Add(d); return &t }
	one := desk.Delivery{
		InvoiceID: "7", State: billing.InDoubt, Attempt: 1, FirstSentAt: sent, BegunAt: &sent, UpdatedAt: at(3, 15, 32),
		Application: "billonce/x7k2p@node-1", DecideAt: at(3, 16, 2), DecideIn: 10 * time.Second,
		Error: "the API may have acted, and has no idempotency keys; seen: the request had begun,\nthen no reply within 30s",
	}
	but := func(change func(*desk.Delivery)) desk.Delivery {
		d := one
		change(&d)
		return d
	}
	const sentAt = "2026-03-01 03:15:02 CET sent; "
	for name, c := range map[string]struct {
		d                desk.Delivery
		story, decidable string
	}{
		"no answer": {
			one, sentAt + "03:15:32 the request had begun, then no reply within 30s; 03:15:32 in doubt: the API may have acted, and has no idempotency keys",
			"its request may still arrive: can be decided from 03:16:02 CET on, by a person",
		},
		"killed": {
			but(func(d *desk.Delivery) {
				d.Error, d.RunGoneAt, d.LooksUp = "the API may have acted, and has no idempotency keys", later(18*time.Second), true
			}), sentAt + "03:15:20 no reply was written down: runner x7k2p@node-1 was found to be killed or cut off; " +
				"03:15:32 in doubt: the API may have acted, and has no idempotency keys",
			"its request may still arrive: can be decided from 03:16:02 CET on, by the next run's look-up, or by a person",
		},
		"killed, after it had written this one down": {
			but(func(d *desk.Delivery) {
				d.RunGoneAt, d.HTTPStatus, d.Error, d.DecideIn = later(time.Minute), 502, "", 0
			}),
			sentAt + "03:15:32 HTTP 502; 03:15:32 in doubt: it is not known whether the API acted", "can be decided now, by a person",
		},
		"refused at the third attempt, a day later": {
			but(func(d *desk.Delivery) {
				d.State, d.Attempt, d.BegunAt, d.UpdatedAt, d.HTTPStatus, d.Error = billing.Failed, 3, later(24*time.Hour), *later(24*time.Hour + time.Second), 402, "HTTP 402 no card"
			}), "2026-03-01 03:15:02 CET first sent; 2026-03-02 03:15:02 CET attempt 3 sent; 03:15:03 refused: HTTP 402 no card", "can be decided now, by a person",
		},
		"never out": {
			but(func(d *desk.Delivery) {
				d.State, d.Error, d.DecideIn, d.LooksUp = billing.Retry, "nothing was sent: connection refused", 0, true
			}),
			"2026-03-01 03:15:02 CET attempt 1 begun; 03:15:32 nothing was sent: connection refused", "can be decided now, by a person",
		},
		"unmarked":    {but(func(d *desk.Delivery) { d.State, d.Error = billing.Unmarked, "held by app" }), sentAt + "03:15:32 accepted, but its row can't be marked: held by app", "the next run marks it, once its row lets it"},
		"never tried": {desk.Delivery{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.d.Story(); got != c.story {
				t.Errorf("%s\nwant\n%s", got, c.story)
			}
			if got := c.d.Decidable(); got != c.decidable {
				t.Errorf("%s\nwant\n%s", got, c.decidable)
			}
		})
	}
	again := desk.OpenItem{Kind: billing.OpenPendingAgain, Since: at(23, 0, 0), Delivery: new(desk.Delivery)}
	*again.Delivery = but(func(d *desk.Delivery) { d.State, d.Error = billing.Sent, "" })
	if got, want := again.Story(), sentAt+"03:15:32 accepted; 23:00:00 found pending again"; got != want || again.Decidable() != "can be decided now, by a person" {
		t.Errorf("%s, %s", got, again.Decidable())
	}
	aside := desk.OpenItem{Kind: billing.OpenSetAside, Since: sent, Reason: "column note is NULL"}
	if got, want := aside.Story(), "2026-03-01 03:15:02 CET set aside: column note is NULL"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
