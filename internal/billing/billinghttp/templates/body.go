package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/billonce/billonce/internal/billing"
)

// Body is what BILLING_BODY says.
type Body struct {
	template *template.Template // nil: the row, as it is
	tree     bodyTree
	currency string // the column that has it; empty: it is recognised
}

// ParseBody reads BILLING_BODY; nil means that requests have no body. Which column has the
// currency is recognised, where that is not said.
func ParseBody(text, currency string) (*Body, error) {
	switch {
	case text == "none":
		return nil, nil
	case text == "row":
		return &Body{}, nil
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
	trees := []*parse.Tree{t.Tree}
	for _, other := range t.Templates() {
		if other != t {
			trees = append(trees, other.Tree)
		}
	}
	b := &Body{template: t, tree: readBodyTree(trees...), currency: currency}
	return b, errors.Join(b.tree.faults...)
}

// calls says whether the template calls one of these functions.
func (b *Body) calls(functions ...string) bool {
	return b != nil && slices.ContainsFunc(functions, func(f string) bool { return slices.Contains(b.tree.calls, f) })
}

// IsRow says that the body is the row, as it is.
func (b *Body) IsRow() bool { return b.template == nil }

// Columns are those that the template names for certain.
func (b *Body) Columns() []string { return b.tree.columns }

// ReadsAll says whether the body may be made from any column.
func (b *Body) ReadsAll() bool { return b.IsRow() || b.tree.whole }

// Reads says whether the body may be made from a column.
func (b *Body) Reads(column string) bool {
	return b.ReadsAll() || slices.Contains(b.tree.columns, column)
}

// Render makes the body of an invoice's request; warning is what is probably wrong with it.
func (b *Body) Render(inv billing.Invoice, key string) (text []byte, warning string, err error) {
	if b.template == nil {
		text, err = rowBody(inv)
		return text, "", err
	}
	row, err := decodeRow(inv)
	if err != nil {
		return nil, "", err
	}
	own := template.FuncMap{}
	if key != "" && b.calls(KeyName, HexKeyName) {
		own[KeyName] = func() string { return key }
		own[HexKeyName] = func() string { return hexKey(key) }
	}
	if b.calls("cents") {
		if wrong := centsAreWrong(currencyIn(row, b.currency)); wrong != "" {
			own["cents"] = func(value any) (string, error) { // the template may know which ones to leave alone
				warning = wrong
				return toCents(value)
			}
		}
	}
	t := b.template
	if len(own) > 0 {
		if t, err = t.Clone(); err != nil {
			return nil, "", fmt.Errorf("copy the template: %w", err)
		}
		t = t.Funcs(own)
	}
	text, err = execute(t, row, inv.Row)
	if err != nil && warning != "" {
		err = fmt.Errorf("%w; %s", err, warning)
	}
	return text, warning, err
}

// rowBody leaves the row as PostgreSQL wrote it: decoding could change numbers.
func rowBody(inv billing.Invoice) ([]byte, error) {
	if len(inv.Row) == 0 {
		return nil, errors.New("its row was not read")
	}
	return inv.Row, nil
}

func decodeRow(inv billing.Invoice) (row map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(inv.Row))
	decoder.UseNumber() // float64 has no room for every bigint
	if err := decoder.Decode(&row); err != nil {
		return nil, fmt.Errorf("decode its row: %w", err)
	}
	return row, nil
}

// execute fills the template in from a row, which is given as it was read, too.
func execute(t *template.Template, row map[string]any, read []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, row); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	// text/template prints a nil so, and has no option against it.
	if noValue := []byte("<no value>"); bytes.Contains(b.Bytes(), noValue) && !bytes.Contains(read, noValue) {
		return nil, errors.New("it prints a column that is NULL; write {{json .column}} to send null, or {{if .column}} around it")
	}
	return b.Bytes(), nil
}
