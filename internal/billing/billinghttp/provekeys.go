package billinghttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// ProveKeys sends an invoice's request twice at the same moment under one idempotency key
// that no run uses, then once more, then with another body, prints what the API did each
// time and what that says of BILLING_IDEMPOTENT. It bills: it is for a sandbox.
func (c *Client) ProveKeys(ctx context.Context, out io.Writer, inv billing.Invoice) error {
	inv.Key, inv.Delivery = uuid.NewString(), nil
	request, err := c.Render(inv)
	if err != nil {
		return err
	}
	request.IdempotencyKey = inv.Key
	permit := func() error { return nil }
	var first [2]billing.Reply
	var both sync.WaitGroup
	for i := range first {
		both.Go(func() { first[i] = c.Send(ctx, request, permit) })
	}
	both.Wait()
	again := c.Send(ctx, request, permit)
	fmt.Fprintf(out, "Invoice %s under the key %s:\n", inv.ID, inv.Key)
	fmt.Fprintf(out, "  two at the same moment: %s\n                          %s\n", proofOf(first[0]), proofOf(first[1]))
	fmt.Fprintf(out, "  once more:              %s\n", proofOf(again))
	replies := append(first[:], again)
	if other, ok := otherBody(request); ok {
		reply := c.Send(ctx, other, permit)
		fmt.Fprintf(out, "  with another body:      %s\n", proofOf(reply))
		replies = append(replies, reply)
	}
	_, err = fmt.Fprintln(out, judgeKeys(replies, c.answers.id != nil))
	return errors.Join(err, ctx.Err())
}

// proofOf is what the API did.
func proofOf(r billing.Reply) string {
	text := fmt.Sprintf("%s (HTTP %d)", r.Outcome, r.Status)
	if r.Status == 0 {
		text = r.Outcome.String()
	}
	if r.Answer != nil && r.Answer.ID != "" {
		text += ", id " + words.Printable(r.Answer.ID)
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// otherBody is the same request with a member more in its JSON.
func otherBody(r billing.Request) (billing.Request, bool) {
	body := bytes.TrimSpace(r.Body)
	if len(body) < 2 || body[len(body)-1] != '}' || bytes.Equal(body, []byte("{}")) {
		return r, false
	}
	r.Body = append(bytes.Clone(body[:len(body)-1]), `,"billonce_proves_keys":true}`...)
	return r, true
}

// judgeKeys says what the replies to one key's requests prove.
func judgeKeys(replies []billing.Reply, named bool) string {
	ids := map[string]bool{}
	good, unnamed := 0, 0
	for _, r := range replies {
		switch {
		case !r.Outcome.IsGood():
			continue
		case r.Answer == nil || r.Answer.ID == "":
			unnamed++
		default:
			ids[r.Answer.ID] = true
		}
		good++
	}
	switch {
	case len(ids) > 1:
		return "The API has acted more than once under one key: leave BILLING_IDEMPOTENT=false."
	case good == 0:
		return "Nothing was accepted: this proves nothing. Look at the replies, and try again with an invoice that the API accepts."
	case !named || unnamed > 0:
		return fmt.Sprintf("The replies don't say whether it was one effect: look into the API's books, where there must be exactly one for this key, and not %d. "+
			"Then BILLING_IDEMPOTENT=true may be set. BILLING_REPLY_ID, the path to the API's own id, would tell.", good)
	case good == 1:
		return "One of the requests was accepted, and no other: the API refuses repeats under one key, and does not answer them with what it did. " +
			"It bills once; BILLING_IDEMPOTENT=true needs a rule in BILLING_OUTCOMES that says what a repeat's reply means."
	}
	return "All that were accepted are one: the API honours its keys. BILLING_IDEMPOTENT=true may be set; how long it remembers a key (BILLING_IDEMPOTENCY_TTL) only its manual says."
}
