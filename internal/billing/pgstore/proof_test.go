package pgstore_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// doubted leaves invoice 1 in doubt, so that it may be looked up, and 2 and 3 untried.
const doubted = "update billonce.deliveries set state = 'in_doubt', doubtful = true, error = 'as seen then', deadline_at = now() - interval '1 h' where invoice_id = 1"

// withLookUp waits so long before it looks up that nothing of this run is a control.
func withLookUp(c *engine.Config) { c.HasLookup, c.Linger, c.LookUpAfter = true, 0, time.Minute }

func told(f billing.Finding) billing.Found {
	return billing.Found{Finding: f, Told: true, Reason: "as the test wants it"}
}

// truth is a look-up that tells it: the API has acted on the control alone.
func truth(m billing.Request) billing.Found {
	if m.InvoiceID == control {
		return told(billing.Acted)
	}
	return told(billing.Absent)
}

// P10: a look-up decides only where its test holds, and a control before and after it.
func TestP10LookUpIsTestedBeforeItIsBelieved(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	for name, c := range map[string]struct {
		look  func(m billing.Request) billing.Found
		setup string // of the database
		want  string // the states of 1
		why   string // in the log
	}{
		"the truth: absent": {look: truth, want: "sent"},
		"the truth: acted": {look: func(m billing.Request) billing.Found {
			if m.InvoiceID == "1" {
				return told(billing.Acted)
			}
			return truth(m)
		}, want: "sent"},
		"absent to everything":  {look: func(billing.Request) billing.Found { return told(billing.Absent) }, want: "in_doubt"},
		"acted to everything":   {look: func(billing.Request) billing.Found { return told(billing.Acted) }, want: "in_doubt"},
		"refused to everything": {look: func(billing.Request) billing.Found { return told(billing.RefusedFinding) }, want: "in_doubt"},
		"no answer about what was never sent": {
			look: func(m billing.Request) billing.Found {
				if m.InvoiceID == "2" || m.InvoiceID == "3" {
					return billing.Found{}
				}
				return truth(m)
			},
			setup: "update billonce.runs set lookup_test = null", want: "in_doubt",
		},
		"none untried, and the last test held": {look: truth, setup: "update invoices set pending = false where id in (2, 3)", want: "sent"},
		"none untried, and the last test did not hold": {
			look: truth, want: "in_doubt",
			setup: `update invoices set pending = false where id in (2, 3); update billonce.runs set lookup_test = '{"settings": "", "held": false, "why": "it lied"}'`,
		},
		"none untried, and other settings": {
			look: truth, want: "in_doubt",
			setup: `update invoices set pending = false where id in (2, 3); update billonce.runs set lookup_test = '{"settings": "other", "held": true}'`,
		},
		"no control":                  {look: truth, setup: "update billonce.runs set lookup_controls = null", want: "in_doubt"},
		"a control of other look-ups": {look: truth, setup: `update billonce.runs set lookup_controls = jsonb_set(lookup_controls, '{0,lookup}', '"00"')`, want: "in_doubt"},
		"a control that is not sent any more": {
			look: truth, setup: "update billonce.deliveries set state = 'cancelled' where invoice_id = 1000", want: "in_doubt",
		},
		"a control that is too young": {look: truth, setup: `update billonce.runs set lookup_controls = jsonb_set(lookup_controls, '{0,at}', to_jsonb(now() + interval '1 h'))`, want: "in_doubt"},
		"the control does not tell":   {look: func(m billing.Request) billing.Found { return told(billing.UnknownFinding) }, want: "in_doubt"},
		"the second control fails": {look: func(m billing.Request) billing.Found {
			if m.InvoiceID == control && calls.Add(1) > 1 {
				return told(billing.Absent)
			}
			return truth(m)
		}, want: "in_doubt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 3)
			leaveSending(t, cfg, "1")
			believed(t, cfg)
			execute(t, cfg, doubted+"; "+c.setup)
			a := api{look: c.look}
			s := newRunner(t, cfg, &a, "advisory", withLookUp).Run(t.Context(), nil)
			state := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 1")
			if decided := int64(map[bool]int{true: 1}[c.want == "sent"]); state != c.want || s.LookedUp != decided || a.requests["1"] > 1 {
				t.Errorf("%s, want %s; %d looked up, %d requests", state, c.want, s.LookedUp, a.requests["1"])
			}
		})
	}
}

// P10: the test is made under a made-up key, too, where the look-up is by key.
func TestP10LookUpsIgnoringTheKeyAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, byKey := range map[string]bool{"by key": true, "by anything": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 3)
			leaveSending(t, cfg, "1")
			believed(t, cfg)
			execute(t, cfg, doubted)
			ledger, used := ledgerID(t, cfg), query[string](t, cfg, "select string_agg(idempotency_key::text, ' ') from billonce.deliveries")
			a := api{look: func(m billing.Request) billing.Found {
				madeUp := m.IdempotencyKey != billing.NewKey(ledger, m.InvoiceID).Text && !strings.Contains(used, m.IdempotencyKey)
				switch {
				case madeUp && byKey:
					return told(billing.Absent)
				case madeUp && (m.InvoiceID == "2" || m.InvoiceID == "3"):
					return told(billing.Acted)
				}
				return truth(m)
			}}
			r := newRunner(t, cfg, &a, "advisory", withLookUp)
			r.Renderer = keyedRenderer{&a}
			if s := r.Run(t.Context(), nil); s.LookedUp > 0 != byKey {
				t.Errorf("%+v", s)
			}
		})
	}
}

// P10: a look-up that ignores what it is asked about tells the truth as long as the API has
// no effects; once it has, the run asks again about what was never sent.
func TestP10ALookUpThatIgnoresItsParameterIsFoundOut(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 12)
	var acted atomic.Bool
	a := api{
		reply: func(m billing.Request, _ int) billing.Reply {
			if m.InvoiceID == "12" {
				return billing.Reply{Outcome: billing.Unknown, Status: 500}
			}
			acted.Store(true)
			return billing.Reply{Outcome: billing.Accepted, Status: 200}
		},
		look: func(billing.Request) billing.Found {
			if acted.Load() {
				return told(billing.Acted)
			}
			return told(billing.Absent)
		},
	}
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) {
		c.HasLookup, c.Linger, c.Timeout, c.Canary = true, 10*time.Second, 100*time.Millisecond, 2
	}).Run(t.Context(), nil)
	if got := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 12"); got != "in_doubt" || s.LookedUp > 0 || s.Sent != 11 {
		t.Errorf("the lost one is %s, %+v", got, s)
	}
}

// keyedRenderer makes look-ups by key.
type keyedRenderer struct{ *api }

func (r keyedRenderer) Render(inv billing.Invoice) (billing.Request, error) {
	m, err := r.api.Render(inv)
	m.LookupURL = "https://api.example/?key=" + inv.Key
	return m, err
}

func ledgerID(t *testing.T, cfg *pgx.ConnConfig) uuid.UUID {
	t.Helper()
	return query[uuid.UUID](t, cfg, "select id from billonce.ledger")
}

// P10: an absence does not count where the look-up's headers are made from the row.
func TestP10AbsenceByTheRowsCredentialDecidesNothing(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1")
	believed(t, cfg)
	execute(t, cfg, doubted)
	a := api{look: truth}
	r := newRunner(t, cfg, &a, "advisory", withLookUp)
	r.Renderer = headedRenderer{&a}
	if s := r.Run(t.Context(), nil); s.LookedUp > 0 || s.EarlierInDoubt != 1 || s.Sent != 2 {
		t.Errorf("%+v", s)
	}
}

type headedRenderer struct{ *api }

func (r headedRenderer) Render(inv billing.Invoice) (billing.Request, error) {
	m, err := r.api.Render(inv)
	m.Headers = []billing.Header{{Name: "X-Account", Value: "acct_1"}}
	return m, err
}

// P10: nothing is looked up, and stays sending, until BILLING_LOOKUP_AFTER past its deadline.
func TestP10NoLookUpBeforeItCantArrive(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1", "2")
	believed(t, cfg)
	execute(t, cfg, doubted+"; update billonce.deliveries set deadline_at = now() - interval '1 s' where invoice_id = 2")
	asked := map[billing.InvoiceID]bool{}
	a := api{look: func(m billing.Request) billing.Found {
		if m.InvoiceID != "3" {
			asked[m.InvoiceID] = true
		}
		return truth(m)
	}}
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { withLookUp(c); c.LookUpAfter = 2 * time.Hour }).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:in_doubt 2:sending 3:sent" || len(asked) > 0 || s.ExitCode() != billing.ExitStopped {
		t.Errorf("%s, exit %d, asked about %v", got, s.ExitCode(), asked)
	}
}

// P10: what a run's replies have accepted is a control for it and for later runs.
func TestP10ControlsAreKept(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 25)
	a := api{look: truth}
	r := newRunner(t, cfg, &a, "advisory", withLookUp)
	store := r.Tests.(*pgstore.Store)
	if err := store.StartRun(t.Context(), pgstore.RunRecord{Name: "demo", Strategy: "advisory", RunLock: "exclusive", Application: "test", Version: "test"}); err != nil {
		t.Fatal(err)
	}
	if s := r.Run(t.Context(), nil); s.Sent != 25 {
		t.Errorf("%+v", s)
	}
	if got := query[string](t, cfg, "select jsonb_array_length(lookup_controls) || ' ' || (lookup_test ->> 'held') from billonce.runs"); got != "20 true" {
		t.Error(got)
	}
	test, controls, err := store.EarlierTests(t.Context(), "")
	if err != nil || test == nil || !test.Held || len(test.Asked) != 3 || len(controls) != 20 || len(controls[0].LookupSHA256) != 32 || time.Since(controls[0].At) < 0 {
		t.Errorf("%+v, %+v, %v", test, controls, err)
	}
	if !strings.Contains(strings.Join(test.Asked, " "), "never sent: absent") {
		t.Errorf("%q", test.Asked)
	}
	if test, _, err := store.EarlierTests(t.Context(), "other"); err != nil || test != nil {
		t.Errorf("%+v, %v", test, err)
	}
	// A later run has nothing untried, and decides by what this one has left.
	execute(t, cfg, `insert into invoices (customer, amount_cents, currency, due_date) values ('c', 1, 'EUR', '2026-01-01')`)
	leaveSending(t, cfg, "26")
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 h' where invoice_id = 26")
	b := api{look: func(m billing.Request) billing.Found { return told(billing.Acted) }}
	if s := newRunner(t, cfg, &b, "advisory", func(c *engine.Config) { withLookUp(c); c.LookUpAfter = 0 }).Run(t.Context(), nil); s.LookedUp != 1 || s.Sent != 1 || len(b.requests) > 0 {
		t.Errorf("%+v", s)
	}
}

// A throttled look-up says nothing: the delivery is looked up later.
func TestThrottledLookUpsDecideNothing(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1")
	believed(t, cfg)
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 h'")
	a := api{look: func(m billing.Request) billing.Found {
		if m.InvoiceID == "1" {
			return billing.Found{Throttled: true, Reason: "429", RetryAfter: time.Millisecond}
		}
		return truth(m)
	}}
	s := newRunner(t, cfg, &a, "advisory", withLookUp).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:sending 2:sent 3:sent" || s.ExitCode() != billing.ExitStopped {
		t.Error(got, fmt.Sprintf("%+v", s))
	}
}

// A refusal after a doubt under the same key is a doubt: the first one may have acted.
func TestP3RefusedAfterADoubtIsADoubt(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	a := api{reply: func(_ billing.Request, n int) billing.Reply {
		if n == 1 {
			return billing.Reply{Reason: "reset"}
		}
		return billing.Reply{Outcome: billing.Refused, Status: 400, Reason: "already finalized"}
	}}
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent = true }).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:in_doubt" || a.requests["1"] != 2 || s.InDoubt != 1 {
		t.Errorf("%s, %+v", got, s)
	}
}
