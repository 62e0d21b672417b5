package billinghttp

import (
	"fmt"
	"slices"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
)

// Columns are the columns, as text, that an invoice needs to be rendered.
func (c *Client) Columns() []string { return c.columns }

// Mentions are the names in the templates, each once a template.
func (c *Client) Mentions() (all []billing.Mention) {
	add := func(variable string, t templates.Text) {
		for _, name := range t.Names() {
			m := billing.Mention{Variable: variable, Name: name, Ours: templates.IsOurs(name)}
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	add("BILLING_URL", c.url.Text)
	if c.lookup != nil {
		add("BILLING_LOOKUP_URL", c.lookup.Text)
	}
	for _, h := range c.made {
		add("BILLING_HEADERS", h.Value)
	}
	if c.body != nil {
		for _, column := range c.body.Columns() {
			all = append(all, billing.Mention{Variable: "BILLING_BODY", Name: column})
		}
	}
	return all
}

// NeedsRow says whether an invoice needs its whole row to be rendered.
func (c *Client) NeedsRow() bool { return c.body != nil }

// Render makes the request of an invoice: the same invoice gives the same bytes.
func (c *Client) Render(inv billing.Invoice) (billing.Request, error) {
	m := billing.Request{InvoiceID: inv.ID}
	if len(inv.Columns) != len(c.columns) {
		return m, fmt.Errorf("render invoice %s: it has %d of %d columns", inv.ID, len(inv.Columns), len(c.columns))
	}
	v := templates.Values{Columns: inv.Columns, Key: inv.Key}
	if err := c.renderHeaders(&m, inv, v); err != nil {
		return m, err
	}
	var err error
	if m.URL, err = c.url.Render(v); err != nil {
		return m, fmt.Errorf("render BILLING_URL for invoice %s: %w", inv.ID, err)
	}
	if err := c.renderLookUp(&m, inv, v); err != nil {
		return m, err
	}
	if c.body != nil {
		if m.Body, m.Warning, err = c.body.Render(inv, inv.Key); err != nil {
			return m, fmt.Errorf("render BILLING_BODY for invoice %s: %w", inv.ID, err)
		}
	}
	m.Secrets = c.secretsOf(inv)
	c.identify(&m, inv.Key)
	return m, nil
}

// RenderLookUp makes what of an invoice's request its look-up needs: less of the row than
// the request, so that it can be had of an invoice that is gone.
func (c *Client) RenderLookUp(inv billing.Invoice) (billing.Request, error) {
	m := billing.Request{InvoiceID: inv.ID, IdempotencyKey: inv.Key}
	if len(inv.Columns) != len(c.columns) {
		return m, fmt.Errorf("render invoice %s: it has %d of %d columns", inv.ID, len(inv.Columns), len(c.columns))
	}
	v := templates.Values{Columns: inv.Columns, Key: inv.Key}
	if err := c.renderHeaders(&m, inv, v); err != nil {
		return m, err
	}
	m.Secrets = c.secretsOf(inv)
	return m, c.renderLookUp(&m, inv, v)
}

func (c *Client) renderHeaders(m *billing.Request, inv billing.Invoice, v templates.Values) error {
	for _, h := range c.made {
		value, err := h.Render(v)
		if err != nil {
			return fmt.Errorf("render BILLING_HEADERS for invoice %s: %w", inv.ID, err)
		}
		m.Headers = append(m.Headers, billing.Header{Name: h.Name, Value: value, Secret: h.Secret, OfKey: h.Value.Has(templates.KeyName, templates.HexKeyName)})
	}
	return nil
}

// renderLookUp comes behind the headers, which are part of what is hashed. It leaves the place of an id that the API has not given yet as it is written.
func (c *Client) renderLookUp(m *billing.Request, inv billing.Invoice, v templates.Values) (err error) {
	if c.lookup == nil {
		return nil
	}
	v.ReplyID = "{" + templates.ReplyIDName + "}"
	if m.LookupURL, err = c.lookup.Render(v); err != nil {
		return fmt.Errorf("render BILLING_LOOKUP_URL for invoice %s: %w", inv.ID, err)
	}
	ofRow := slices.DeleteFunc(slices.Clone(m.Headers), func(h billing.Header) bool { return h.OfKey })
	sum := billing.LookUpHash(m.LookupURL, ofRow)
	m.LookupSHA256 = sum[:]
	m.LookupByKey, m.LookupByReply = c.lookup.Has(templates.KeyName, templates.HexKeyName), c.lookup.Has(templates.ReplyIDName)
	if m.LookupByReply && inv.Delivery != nil && inv.Delivery.ReplyID != "" {
		v.ReplyID = inv.Delivery.ReplyID
		if m.LookupURL, err = c.lookup.Render(v); err != nil {
			return fmt.Errorf("render BILLING_LOOKUP_URL for invoice %s: %w", inv.ID, err)
		}
	}
	return nil
}

// identify says which request it is. The key's own header is
// made of the invoice, too.
func (c *Client) identify(m *billing.Request, key string) {
	made := append(slices.Clip(m.Headers), billing.Header{Name: "Idempotency-Key", Value: key, OfKey: true})
	sum := billing.RequestHash(c.method, m.URL, made, m.Body)
	m.SHA256 = sum[:]
}
