package reconcile

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// Field is something that a list's line can say.
type Field int

const (
	FieldID       Field = iota // our key
	FieldReplyID               // the API's id
	FieldKey                   // the idempotency key
	FieldAmount                //
	FieldCurrency              //
	FieldStatus                //
	FieldAt                    // when the API acted
	fields                     // how many there are
)

// names are what a field is called: in --columns, and where that is not given, in the
// list itself.
func (f Field) names() []string {
	switch f {
	case FieldID:
		return []string{"id", "invoice_id"}
	case FieldReplyID:
		return []string{"reply_id"}
	case FieldKey:
		return []string{"key", "idempotency_key"}
	case FieldAmount:
		return []string{"amount"}
	case FieldCurrency:
		return []string{"currency"}
	case FieldStatus:
		return []string{"status"}
	case FieldAt:
		return []string{"at"}
	}
	return nil
}

// Columns says which of the list's columns has which field. Where it is given, it is
// all of them; else those count that bear a field's name.
type Columns struct {
	given   bool
	columns [fields]string // empty: none
}

// ParseColumns reads --columns: id=Reference,amount=Net. A part with a comma in it is
// quoted, as in CSV. Empty: the list's own names.
func ParseColumns(text string) (Columns, error) {
	var c Columns
	if strings.TrimSpace(text) == "" {
		return c, nil
	}
	c.given = true
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	parts, err := r.Read()
	if err != nil {
		return c, fmt.Errorf("--columns: %w; write for example id=Reference,amount=Net", err)
	}
	for _, part := range parts {
		name, column, found := strings.Cut(part, "=")
		if column = strings.TrimSpace(column); !found || column == "" {
			return c, fmt.Errorf("--columns: %q names no column; write for example id=Reference", part)
		}
		field := fieldNamed(strings.TrimSpace(name))
		switch {
		case field == fields:
			return c, fmt.Errorf("--columns: there is no %q; there are id, reply_id, key, amount, currency, status, at", strings.TrimSpace(name))
		case c.columns[field] != "":
			return c, fmt.Errorf("--columns: %s is there twice", field.names()[0])
		}
		c.columns[field] = column
	}
	if !c.identifies() {
		return c, errNothingIdentifies
	}
	return c, nil
}

func fieldNamed(name string) Field {
	for f := range fields {
		if slices.Contains(f.names(), name) {
			return f
		}
	}
	return fields
}

func (c Columns) has(f Field) bool { return c.columns[f] != "" }

func (c Columns) identifies() bool { return c.has(FieldID) || c.has(FieldReplyID) || c.has(FieldKey) }

// in finds the columns in a header: where each field stands, and -1 for those that are
// not there. A header that lacks a column that was named is none.
func (c Columns) in(header []string) (places [fields]int, found Columns, err error) {
	found.given = true
	for f := range fields {
		wanted := []string{c.columns[f]}
		if !c.given {
			wanted = f.names()
		}
		places[f] = -1
		for _, name := range wanted {
			if name == "" {
				continue
			}
			if places[f], err = place(header, name); err != nil {
				return places, found, err
			}
			if places[f] >= 0 {
				found.columns[f] = name
				break
			}
		}
		if c.has(f) && places[f] < 0 {
			return places, found, fmt.Errorf("has no column %q", c.columns[f])
		}
	}
	if !found.identifies() {
		return places, found, errNothingIdentifies
	}
	return places, found, nil
}

// place is where a column stands: written so, or else but for upper and lower case.
func place(header []string, name string) (int, error) {
	for _, same := range []func(string) bool{
		func(h string) bool { return h == name },
		func(h string) bool { return strings.EqualFold(h, name) },
	} {
		at := -1
		for i, h := range header {
			if !same(strings.TrimSpace(h)) {
				continue
			}
			if at >= 0 {
				return -1, fmt.Errorf("has two columns %q", name)
			}
			at = i
		}
		if at >= 0 {
			return at, nil
		}
	}
	return -1, nil
}
