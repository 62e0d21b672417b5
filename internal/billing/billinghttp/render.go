package billinghttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"billonce/internal/billing"
)

// renderBody makes the body of an invoice's request.
type renderBody func(inv billing.Invoice) ([]byte, error)

// Columns are the columns, as text, that an invoice needs to be rendered.
func (c *Client) Columns() []string { return c.columns }

// NeedsRow says whether an invoice needs its whole row to be rendered.
func (c *Client) NeedsRow() bool { return c.body != nil }

// Render makes the request of an invoice: the same invoice gives the same bytes.
func (c *Client) Render(inv billing.Invoice) (billing.Request, error) {
	m := billing.Request{InvoiceID: inv.ID}
	if len(inv.Columns) != len(c.columns) {
		return m, fmt.Errorf("render invoice %s: it has %d of %d columns", inv.ID, len(inv.Columns), len(c.columns))
	}
	var err error
	if m.URL, err = c.url.render(inv.Columns); err != nil {
		return m, fmt.Errorf("render BILLING_URL for invoice %s: %w", inv.ID, err)
	}
	if c.lookup != nil {
		if m.LookupURL, err = c.lookup.render(inv.Columns); err != nil {
			return m, fmt.Errorf("render BILLING_LOOKUP_URL for invoice %s: %w", inv.ID, err)
		}
	}
	if c.body != nil {
		if m.Body, err = c.body(inv); err != nil {
			return m, fmt.Errorf("render BILLING_BODY for invoice %s: %w", inv.ID, err)
		}
	}
	return m, nil
}

// parseBody reads BILLING_BODY; nil means that requests have no body.
func parseBody(text string) (renderBody, error) {
	switch {
	case text == "none":
		return nil, nil
	case text == "row":
		return rowBody, nil
	case strings.TrimSpace(text) == "":
		return nil, errors.New("is empty; write row, none or a template")
	case strings.EqualFold(strings.TrimSpace(text), "row"), strings.EqualFold(strings.TrimSpace(text), "none"):
		return nil, fmt.Errorf("is written %s in lower case, without spaces", strings.ToLower(strings.TrimSpace(text)))
	}
	if isToken(text) {
		// A misspelt word is a valid template: it would be every request's body.
		return nil, errors.New("is neither row nor none nor a template")
	}
	t, err := template.New("body").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("is no template: %s; write row, none or a text/template", strings.TrimPrefix(err.Error(), "template: "))
	}
	return func(inv billing.Invoice) ([]byte, error) { return execute(t, inv) }, nil
}

// rowBody leaves the row as PostgreSQL wrote it: decoding could change numbers.
func rowBody(inv billing.Invoice) ([]byte, error) {
	if len(inv.Row) == 0 {
		return nil, errors.New("its row was not read")
	}
	return inv.Row, nil
}

func execute(t *template.Template, inv billing.Invoice) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(inv.Row))
	decoder.UseNumber() // float64 has no room for every bigint
	var row map[string]any
	if err := decoder.Decode(&row); err != nil {
		return nil, fmt.Errorf("decode its row: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, row); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	// text/template prints a nil so, and has no option against it.
	if noValue := []byte("<no value>"); bytes.Contains(b.Bytes(), noValue) && !bytes.Contains(inv.Row, noValue) {
		return nil, errors.New("it prints a column that is NULL; write {{json .column}} to send null, or {{if .column}} around it")
	}
	return b.Bytes(), nil
}
