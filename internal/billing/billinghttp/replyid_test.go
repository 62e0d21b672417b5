package billinghttp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// P9: a look-up by the API's own id is known by its hash before that id is there, and asks
// about it once it is, also of an invoice whose row is gone.
func TestP9LookUpByReplyIDIsTheSameLookUp(t *testing.T) {
	t.Parallel()
	c := newClient(t, "https://billing.example", func(c *Config) {
		c.LookupURL, c.ReplyID = "https://billing.example/charges/{reply_id}", "id"
	})
	id := "7"
	inv := billing.Invoice{ID: "7", Row: []byte(`{"id":7}`), Columns: []*string{&id}, Key: key}
	before, err := c.Render(inv)
	if err != nil {
		t.Fatal(err)
	}
	inv.Delivery, inv.Columns, inv.Row = &billing.Delivery{ReplyID: "ch/7"}, []*string{nil}, nil
	after, err := c.RenderLookUp(inv)
	if err != nil {
		t.Fatal(err)
	}
	if after.LookupURL != "https://billing.example/charges/ch%2F7" || !after.LookupByReply || !bytes.Equal(before.LookupSHA256, after.LookupSHA256) {
		t.Errorf("%+v, and before %+v", after, before)
	}
}

func TestSubmittedNeedsALookUp(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"BILLING_OUTCOMES: makes a reply submitted, and BILLING_LOOKUP_URL is not set": {Outcomes: "202 -> submitted"},
		"BILLING_LOOKUP_URL: has {reply_id}, and BILLING_REPLY_ID":                     {LookupURL: "https://billing.example/{reply_id}"},
		"BILLING_URL: has {reply_id}":                                                  {URL: "https://billing.example/{reply_id}"},
	} {
		if c.URL == "" {
			c.URL = "https://billing.example/"
		}
		c.Body, c.Timeout = "row", time.Second
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
