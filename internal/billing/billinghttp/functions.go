package billinghttp

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"text/template"
)

// functions are what a body's template may call beside text/template's own. Its own
// urlquery would send a NULL as "<no value>".
func functions() template.FuncMap {
	return template.FuncMap{"json": toJSON, "urlquery": toQuery, "cents": toCents}
}

var errNull = errors.New("the column is NULL; write {{if .column}} around it")

// toJSON leaves <, > and & alone: the body is no HTML page.
func toJSON(value any) (string, error) {
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

// toCents makes whole cents of an amount with up to two decimals, exactly.
func toCents(value any) (string, error) {
	text, err := toText(value)
	if err != nil {
		return "", err
	}
	amount, ok := new(big.Rat).SetString(text)
	if !ok || strings.Contains(text, "/") {
		return "", errors.New("the column is no amount")
	}
	amount.Mul(amount, big.NewRat(100, 1))
	if !amount.IsInt() {
		return "", errors.New("the amount has more than two decimals")
	}
	return amount.Num().String(), nil
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
	return toJSON(value)
}
