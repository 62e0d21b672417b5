package templates

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"text/template"
)

// functions are what a body's template may call beside text/template's own. Its own
// urlquery would send a NULL as "<no value>".
func functions() template.FuncMap {
	return template.FuncMap{
		"json": JSON, "urlquery": toQuery, "cents": toCents, "minor": toMinor, "date": toDate,
		// An invoice's own stand in for these as its body is made.
		KeyName: noKey, HexKeyName: noKey,
	}
}

func noKey() (string, error) { return "", errors.New("the invoice has no idempotency key") }

var errNull = errors.New("the column is NULL; write {{if .column}} around it")

// JSON leaves <, > and & alone: the body is no HTML page.
func JSON(value any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// toQuery makes a value's text fit for a form (application/x-www-form-urlencoded).
func toQuery(value any) (string, error) {
	text, err := toText(value)
	return url.QueryEscape(text), err
}

// toCents makes whole cents of an amount, exactly: 12.3, 12.30 and 12.300 are 1230,
// and 12.305 is an error.
func toCents(value any) (string, error) {
	text, err := toText(value)
	if err != nil {
		return "", err
	}
	return shifted(text, 2, "")
}

// isDecimal says whether text is a number as JSON has it (RFC 8259, 6): big.Rat reads
// 1/2, 0x10 and 1_000 too. The exponent is bounded, or 1e999999999 would take all memory.
func isDecimal(text string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	return json.Valid([]byte(text)) && strings.Trim(mantissa, "-.0123456789") == "" && len(exponent) <= len("+308")
}

func toText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errNull
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int: // that a template computed, as len does
		return strconv.Itoa(v), nil
	}
	return JSON(value)
}
