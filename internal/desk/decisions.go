package desk

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/billonce/billonce/internal/billing"
)

// FileDecision is a person's decision about one invoice, as a row of CSV has it.
type FileDecision struct {
	InvoiceID  billing.InvoiceID
	Resolution billing.Resolution // without By
}

// faultsAtMost is how many rows that are not sound one error names.
const faultsAtMost = 10

// ReadDecisions reads CSV with the columns invoice_id, attempt, decision and reason;
// further columns are ignored, and rows without a decision. A row without a reason has
// the given one. Unless every row is sound there is an error, which names the rows.
func ReadDecisions(in io.Reader, reason string) ([]FileDecision, error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: it begins with the line invoice_id,attempt,decision,reason")
	}
	if err != nil {
		return nil, err
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // as spreadsheets write it
	column := make(map[string]int)
	for _, name := range []string{"invoice_id", "attempt", "decision", "reason"} {
		at := slices.Index(header, name)
		if at < 0 {
			return nil, fmt.Errorf("the first line names no column %s: it is, for example, invoice_id,attempt,decision,reason", name)
		}
		if slices.Contains(header[at+1:], name) {
			return nil, fmt.Errorf("the first line names the column %s twice", name)
		}
		column[name] = at
	}
	var all []FileDecision
	var faults []error
	lines := make(map[billing.InvoiceID]int)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		cell := func(name string) string { return cellText(row[column[name]]) }
		if strings.TrimSpace(cell("decision")) == "" {
			continue
		}
		line, _ := r.FieldPos(0)
		d, err := newFileDecision(cell("invoice_id"), cell("attempt"), cell("decision"), cell("reason"), reason)
		if before := lines[d.InvoiceID]; err == nil && before > 0 {
			err = fmt.Errorf("invoice %s is in line %d already", d.InvoiceID, before)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		lines[d.InvoiceID] = line
		all = append(all, d)
	}
	if n := len(faults) - faultsAtMost; n > 0 {
		faults = append(faults[:faultsAtMost], fmt.Errorf("and %d more", n))
	}
	return all, errors.Join(faults...)
}

// Wanted is the decision as it would come of a form: about whatever the delivery is now.
func (d FileDecision) Wanted() Wanted {
	w := Wanted{InvoiceID: d.InvoiceID, Attempt: d.Resolution.Attempt, Decision: "reopen", Reason: d.Resolution.Reason}
	switch {
	case d.Resolution.Again:
		w.Decision = "again"
	case d.Resolution.To == billing.Sent:
		w.Decision = "sent"
	case d.Resolution.To == billing.Retry:
		w.Decision = "retry"
	case d.Resolution.To == billing.Cancelled:
		w.Decision = "cancel"
	}
	return w
}

// ParseDecision reads what is decided, in one word.
func ParseDecision(word string) (r billing.Resolution, err error) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "sent":
		r.To = billing.Sent
	case "retry":
		r.To = billing.Retry
	case "cancel":
		r.To = billing.Cancelled
	case "again":
		r.To, r.Again = billing.Retry, true
	case "reopen":
	default:
		return r, fmt.Errorf("%q is no decision: sent, retry, cancel, again or reopen", word)
	}
	return r, nil
}

func newFileDecision(id, attempt, decision, reason, otherwise string) (d FileDecision, err error) {
	d.InvoiceID = billing.InvoiceID(id)
	if d.Resolution, err = ParseDecision(decision); err != nil {
		return d, err
	}
	if d.Resolution.Reason = reason; strings.TrimSpace(reason) == "" {
		d.Resolution.Reason = otherwise
	}
	d.Resolution.Attempt, err = strconv.Atoi(strings.TrimSpace(attempt))
	switch {
	case id == "":
		return d, errors.New("no invoice_id")
	case err != nil || d.Resolution.Attempt < 1:
		return d, fmt.Errorf("%q is no attempt: it counts from 1, and `batch status --open --csv` has it", attempt)
	case strings.TrimSpace(d.Resolution.Reason) == "":
		return d, errors.New("no reason: write one, or give --reason for all")
	}
	return d, nil
}
