package engine

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// What was seen as a dead sender's attempt may have been taken over since: only the
// very attempt whose locks were found free is recovered.
func TestRecoveryIsOfTheAttemptThatWasFound(t *testing.T) {
	t.Parallel()
	v := view{recoverable: map[billing.InvoiceID]int{"7": 1}}
	if left := (planner{}).mayTry("7", &billing.Delivery{State: billing.Sending, Attempt: 1}, v); left != nil {
		t.Errorf("the dead sender's attempt is not recovered: %+v", left)
	}
	for id, attempt := range map[billing.InvoiceID]int{"7": 2, "8": 1} {
		left := planner{}.mayTry(id, &billing.Delivery{State: billing.Sending, Attempt: attempt}, v)
		if left == nil || left.do != toLeave || left.why != heldByOther {
			t.Errorf("a live attempt %d of invoice %s would be taken over: %+v", attempt, id, left)
		}
	}
}

// rendering renders the same request of every invoice, and shows the key that it was
// given in its URL.
type rendering struct{ url, lookup, body string }

func (r rendering) Render(inv billing.Invoice) (billing.Request, error) {
	request, lookup := billing.RequestHash("POST", r.url+inv.Key, nil, []byte(r.body)), billing.LookUpHash(r.lookup, nil)
	return billing.Request{URL: r.url + inv.Key, Body: []byte(r.body), SHA256: request[:], LookupSHA256: lookup[:]}, nil
}

// P9: what may have had its effect is repeated only as the same request, under the key
// that the ledger has, and asked about only by the look-up that belongs to it.
func TestP9ARepeatIsTheSameRequest(t *testing.T) {
	t.Parallel()
	const key = "the ledger's own"
	was := rendering{url: "/pay/", lookup: "/find/7", body: "{}"}
	request, _ := was.Render(billing.Invoice{Key: key})
	body := sha256.Sum256(request.Body)
	attempt := billing.Delivery{
		State: billing.Sending, Attempt: 1, Key: key, DeadlineIn: -time.Minute,
		BodySHA256: body[:], RequestSHA256: request.SHA256, LookupSHA256: request.LookupSHA256,
	}
	older := attempt
	older.RequestSHA256, older.LookupSHA256 = nil, nil
	doubted := attempt
	doubted.State = billing.InDoubt
	answered := attempt  // by a 500: nobody has to wait until it can no longer arrive
	throttled := attempt // of which the database may have forgotten what came after it
	throttled.State, throttled.KeyUse = billing.Retry, billing.KeyAnswered
	unseen := throttled
	unseen.KeyUse = billing.KeyUnused
	answered.State, answered.Doubtful, answered.DeadlineIn, answered.LookupSHA256 = billing.Retry, true, time.Minute, nil
	for name, c := range map[string]struct {
		now        rendering
		seen       billing.Delivery
		idempotent bool
		want       action
		forgotten  bool
	}{
		"the same":                       {was, attempt, true, toRepeat, false},
		"another URL, the same body":     {rendering{"/charge/", was.lookup, was.body}, attempt, true, toAsk, false},
		"another body":                   {rendering{was.url, was.lookup, "[]"}, attempt, true, toAsk, false},
		"another URL, another look-up":   {rendering{"/charge/", "/find/8", was.body}, attempt, true, toSettle, false},
		"answered, the same":             {was, answered, true, toRepeat, false},
		"answered, another URL":          {rendering{"/charge/", was.lookup, was.body}, answered, true, toSettle, false},
		"no keys":                        {was, attempt, false, toAsk, false},
		"no keys, another look-up":       {rendering{was.url, "/find/8", was.body}, attempt, false, toSettle, false},
		"throttled":                      {was, throttled, true, toBegin, false},
		"throttled, another body":        {rendering{was.url, was.lookup, "[]"}, throttled, true, toBegin, false},
		"forgotten":                      {was, throttled, true, toRepeat, true},
		"forgotten, another body":        {rendering{was.url, was.lookup, "[]"}, throttled, true, toAsk, true},
		"forgotten, the key is new":      {was, unseen, true, toBegin, true},
		"in doubt":                       {was, doubted, false, toAsk, false},
		"in doubt, another look-up":      {rendering{was.url, "/find/8", was.body}, doubted, false, toLeave, false},
		"an older program's, same body":  {rendering{"/charge/", was.lookup, was.body}, older, true, toRepeat, false},
		"an older program's, other body": {rendering{was.url, was.lookup, "[]"}, older, true, toSettle, false},
		"an older program's, no keys":    {was, older, false, toSettle, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planner{renderer: c.now, known: billing.Known{Idempotent: c.idempotent, HasLookup: true, KeyTTL: time.Hour}, maxAttempts: 5, failover: &failover{keyTTL: time.Hour}}
			if c.forgotten {
				p.failover.repeat(time.Now())
			}
			s := p.plan(billing.Invoice{ID: "7", Delivery: &c.seen}, view{at: time.Now(), recoverable: map[billing.InvoiceID]int{"7": 1}, asks: true})
			if s.do != c.want {
				t.Errorf("it does %d (%+v), want %d", s.do, s.decision, c.want)
			}
			if s.do == toSettle && s.decision.Next != billing.InDoubt {
				t.Errorf("it is settled as %s, want in_doubt", s.decision.Next)
			}
			if s.do == toRepeat && (s.intent.Key != key || s.request.IdempotencyKey != key) {
				t.Errorf("its key is computed again: %q", s.intent.Key)
			}
		})
	}
}
