package desk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// ledger says what came of a decision, and counts how often it is asked to write one.
type ledger struct {
	came  billing.Resolved
	err   error
	asked int
}

func (l *ledger) Resolve(context.Context, desk.Delivery, billing.Resolution, billing.Ruling) (billing.Resolved, error) {
	l.asked++
	return l.came, l.err
}

func (l *ledger) Resolvable(_ context.Context, seen desk.Delivery) (billing.Resolvable, error) {
	return seen.Resolvable(), nil
}

// What is refused is never written, and a decision that did not come to pass is not
// told as one.
func TestDecide(t *testing.T) {
	t.Parallel()
	doubt := desk.Delivery{InvoiceID: "7", State: billing.InDoubt, Attempt: 2}
	early := doubt
	early.DecideIn = time.Minute
	odd := doubt
	odd.InvoiceID = "inv 1"
	for name, c := range map[string]struct {
		d     desk.Delivery
		l     ledger
		asked int
		want  string
	}{
		"written":         {doubt, ledger{came: billing.ResolvedFully}, 1, "7: sent, was in_doubt\n"},
		"gone":            {doubt, ledger{came: billing.ResolvedInvoiceGone}, 1, "7: sent, was in_doubt; the invoice was deleted or is not pending any more: only the ledger was changed\n"},
		"another decided": {odd, ledger{came: billing.ResolvedByAnother}, 1, "inv 1: left as it was: it has changed since it was read: look at it again with `batch history 'inv 1'`\n"},
		"held":            {doubt, ledger{came: billing.NotResolved}, 1, "7: left as it was: another session holds the invoice's row: try again\n"},
		"too early":       {early, ledger{}, 0, "7: left as it was: it is in_doubt, and its request may still arrive "},
		"never tried":     {desk.Delivery{InvoiceID: "7"}, ledger{}, 0, "7: left as it was: it was never tried: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, err := desk.Decide(t.Context(), &c.l, c.d, billing.Resolution{To: billing.Sent})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := change.Print(&b, false); err != nil {
				t.Fatal(err)
			}
			if c.l.asked != c.asked || !strings.HasPrefix(b.String(), c.want) || (change.Refusal == "") != (change.To == billing.Sent) {
				t.Errorf("written %d times, %+v:\n%swant\n%s", c.l.asked, change, &b, c.want)
			}
		})
	}
	lost := errors.New("the connection broke")
	_, err := desk.Decide(t.Context(), &ledger{err: lost}, doubt, billing.Resolution{To: billing.Sent})
	if !errors.Is(err, lost) || !strings.Contains(err.Error(), "`batch history 7`") {
		t.Error(err)
	}
}

// Of many decisions alike ones are counted, and the first refused ones named.
func TestManyChangesAreCounted(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	var all desk.Changes
	for range 20000 {
		if err := all.Add(&b, desk.Change{InvoiceID: "7", From: billing.Failed, To: billing.Retry, Note: "under another idempotency key"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 25 {
		if err := all.Add(&b, desk.Change{InvoiceID: "8", From: billing.Failed, Refusal: "held"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := all.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("8: left as it was: held\n", 20) + "20,000: retry, were failed; under another idempotency key\n5: more left as they were\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", &b, want)
	}
}
