package desk

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// SentItem is one invoice that was sent.
type SentItem struct {
	InvoiceID  billing.InvoiceID `json:"invoice_id"`
	Attempt    int               `json:"attempt"`
	SentAt     time.Time         `json:"updated_at"`
	HTTPStatus int               `json:"http_status,omitempty"`
	ReplyID    string            `json:"reply_id,omitempty"`
	Amount     *string           `json:"amount,omitempty"`
	Currency   *string           `json:"currency,omitempty"`
}

// SentList writes what was sent as it is read, which may be millions.
type SentList struct {
	out    io.Writer
	asJSON bool
	csv    *table
	n      int64
	sums   sums
}

// NewSentList begins a list: of JSON, of CSV, or for people.
func NewSentList(out io.Writer, asJSON, asCSV bool) (*SentList, error) {
	l := &SentList{out: out, asJSON: asJSON, sums: sums{}}
	if !asCSV {
		return l, nil
	}
	t, err := newTable(out, "invoice_id", "attempt", "updated_at", "http_status", "reply_id", "amount", "currency")
	l.csv = &t
	return l, err
}

// Add writes one.
func (l *SentList) Add(s SentItem) error {
	l.n++
	switch {
	case l.asJSON:
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		begin := ",\n"
		if l.n == 1 {
			begin = "["
		}
		_, err = fmt.Fprintf(l.out, "%s%s", begin, line)
		return err
	case l.csv != nil:
		return l.csv.row(string(s.InvoiceID), strconv.Itoa(s.Attempt), words.Stamp(s.SentAt), statusCell(s.HTTPStatus), s.ReplyID, text(s.Amount), text(s.Currency))
	}
	l.sums.add(text(s.Amount), text(s.Currency))
	line := fmt.Sprintf("%s  %s", words.Stamp(s.SentAt), s.InvoiceID)
	if s.ReplyID != "" {
		line += "  at the API " + words.OneLine(s.ReplyID)
	}
	_, err := fmt.Fprintln(l.out, line)
	return err
}

// End writes what stands behind the last one.
func (l *SentList) End() error {
	switch {
	case l.asJSON && l.n == 0:
		_, err := fmt.Fprintln(l.out, "[]")
		return err
	case l.asJSON:
		_, err := fmt.Fprintln(l.out, "]")
		return err
	case l.csv != nil:
		return l.csv.end()
	}
	line := words.Count(l.n) + " sent"
	if text := l.sums.String(); text != "" {
		line += ", together " + text
	}
	_, err := fmt.Fprintln(l.out, line)
	return err
}
