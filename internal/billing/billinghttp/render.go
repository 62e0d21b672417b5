package billinghttp

import (
	"fmt"
	"slices"

	"billonce/internal/billing"
)

// Columns are the columns, as text, that an invoice needs to be rendered.
func (c *Client) Columns() []string { return c.columns }

// Mentions are the names in the templates, each once a template.
func (c *Client) Mentions() (all []billing.Mention) {
	add := func(variable string, t rowTemplate) {
		for _, p := range t.places {
			m := billing.Mention{Variable: variable, Name: p.name, Ours: isOurs(p.name)}
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	add("BILLING_URL", c.url.rowTemplate)
	if c.lookup != nil {
		add("BILLING_LOOKUP_URL", c.lookup.rowTemplate)
	}
	for _, h := range c.made {
		add("BILLING_HEADERS", h.value)
	}
	if c.body != nil {
		for _, column := range c.body.tree.columns {
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
	v := values{columns: inv.Columns, key: inv.Key}
	for _, h := range c.made {
		value, err := h.render(v)
		if err != nil {
			return m, fmt.Errorf("render BILLING_HEADERS for invoice %s: %w", inv.ID, err)
		}
		m.Headers = append(m.Headers, billing.Header{Name: h.name, Value: value, Secret: h.secret, OfKey: h.value.has(keyName, hexKeyName)})
	}
	var err error
	if m.URL, err = c.url.render(v); err != nil {
		return m, fmt.Errorf("render BILLING_URL for invoice %s: %w", inv.ID, err)
	}
	if c.lookup != nil {
		if m.LookupURL, err = c.lookup.render(v); err != nil {
			return m, fmt.Errorf("render BILLING_LOOKUP_URL for invoice %s: %w", inv.ID, err)
		}
		m.LookupByKey = c.lookup.has(keyName, hexKeyName)
	}
	if c.body != nil {
		if m.Body, m.Warning, err = c.body.render(inv, inv.Key); err != nil {
			return m, fmt.Errorf("render BILLING_BODY for invoice %s: %w", inv.ID, err)
		}
	}
	c.identify(&m, inv.Key)
	return m, nil
}

// identify says which request and which look-up these are. The key's own header is
// made of the invoice, too.
func (c *Client) identify(m *billing.Request, key string) {
	made := append(slices.Clip(m.Headers), billing.Header{Name: "Idempotency-Key", Value: key, OfKey: true})
	sum := billing.RequestHash(c.method, m.URL, made, m.Body)
	m.SHA256 = sum[:]
	if c.lookup != nil {
		ofRow := slices.DeleteFunc(slices.Clone(m.Headers), func(h billing.Header) bool { return h.OfKey })
		sum := billing.LookUpHash(m.LookupURL, ofRow)
		m.LookupSHA256 = sum[:]
	}
}
