package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

var errNothingIdentifies = errors.New("no column names our invoices: say which one has our key, the API's id or the idempotency key, for example --columns id=Reference")

// line is one line of the list, as it is compared.
type line struct {
	number   int64
	id       string // our key, in the form of its type; empty: none, or one that can't be ours
	foreign  string // what stands in id's place and can't be ours
	key      string
	replyID  string
	amount   string // in the currency's unit, exact; empty: none
	currency string // in upper case
	status   string
	acted    bool
	at       time.Time // zero: not known
}

// Form is how a list writes its values.
type Form struct {
	Acted   []string       // statuses that mean that the API acted; in any case
	Minor   bool           // amounts in the currency's smallest unit
	Comma   bool           // decimal comma
	Zone    *time.Location // of times that name none
	Dates   string         // order of 01/02/2026: "mdy", "dmy", or empty: not known
	KeyType string         // of our key: bigint, integer, uuid or text
}

// read makes a line of the fields' texts, or says what can't be read.
func (f Form) read(number int64, has func(Field) bool, text func(Field) string) (l line, err error) {
	l.number = number
	value := func(field Field) string {
		v := strings.TrimSpace(text(field))
		if err == nil && (!utf8.ValidString(v) || strings.ContainsRune(v, 0)) {
			err = fmt.Errorf("%s is not UTF-8 text: save the file as UTF-8", field.names()[0])
		}
		return v
	}
	id, key := unguarded(value(FieldID)), value(FieldKey)
	l.replyID, l.status = unguarded(value(FieldReplyID)), value(FieldStatus)
	l.currency = strings.ToUpper(value(FieldCurrency))
	amount, at := value(FieldAmount), value(FieldAt)
	if err != nil {
		return l, err
	}
	l.acted = !has(FieldStatus) || slices.ContainsFunc(f.Acted, func(s string) bool { return strings.EqualFold(s, l.status) })
	if l.id, l.foreign, err = f.readID(id); err != nil {
		return l, err
	}
	if key != "" {
		parsed, err := uuid.Parse(key)
		if err != nil {
			// It names a request, and none of ours: our id beside it is a coincidence.
			l.id, l.foreign = "", cmp.Or(l.id, l.foreign, key)
		} else {
			l.key = parsed.String()
		}
	}
	if amount != "" {
		if l.amount, err = f.readAmount(amount, l.currency); err != nil {
			return l, err
		}
	}
	if at != "" {
		l.at, err = f.readTime(at)
	}
	return l, err
}

// unguarded takes off the apostrophe by which a CSV keeps a spreadsheet from reading a
// text as a formula.
func unguarded(text string) string {
	if rest, found := strings.CutPrefix(text, "'"); found && rest != "" && strings.ContainsRune("=+-@\t", rune(rest[0])) {
		return rest
	}
	return text
}

// readID reads our key. What can't be one of ours is the other's business: their list
// may have more than our invoices. But a number that is not written as one has been
// through a spreadsheet, and it is not known which it was.
func (f Form) readID(text string) (id, foreign string, err error) {
	switch f.KeyType {
	case "bigint", "integer":
		bits := 64
		if f.KeyType == "integer" {
			bits = 32
		}
		n, parseErr := strconv.ParseInt(text, 10, bits)
		switch {
		case parseErr == nil:
			return strconv.FormatInt(n, 10), "", nil
		case likeANumber(text):
			return "", "", fmt.Errorf("id %q is not written as a whole number: a spreadsheet may have changed it; export the list again, and don't open it in one", cut(text))
		}
		return "", text, nil
	case "uuid":
		if parsed, err := uuid.Parse(text); err == nil {
			return parsed.String(), "", nil
		}
		return "", text, nil
	}
	return text, "", nil
}

// likeANumber tells what was a number, 1.2E+12, 12.0 or 1,200, from a reference that
// merely holds digits: 2026-17.
func likeANumber(text string) bool {
	digits, before := 0, rune('e') // a sign stands first, or behind an e
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '.', r == ',':
		case r == 'e' && digits > 0 && before != 'e':
		case (r == '+' || r == '-') && before == 'e':
		default:
			return false
		}
		before = r
	}
	return digits > 0 && strings.ContainsAny(text, ".,eE")
}

// cut keeps a value in a message short.
func cut(text string) string {
	const most = 40
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}
