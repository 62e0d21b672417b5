package reconcile

import (
	"fmt"
	"strings"

	"github.com/bojanz/currency"
)

// longestAmount bounds the digits of an amount: more are no money.
const longestAmount = 30

// readAmount reads an amount exactly, as text that PostgreSQL's numeric takes. It
// guesses nothing: a separator of thousands stands where one belongs, and a comma is
// either that or the decimal one.
func (f Form) readAmount(text, code string) (string, error) {
	wrong := func(why string) (string, error) { return "", fmt.Errorf("amount %q %s", cut(text), why) }
	decimal, thousands := ".", ","
	if f.Comma {
		decimal, thousands = ",", "."
	}
	rest := strings.ReplaceAll(text, "\u2212", "-") // the minus sign
	sign := ""
	switch {
	case strings.HasPrefix(rest, "-"):
		sign, rest = "-", rest[1:]
	case strings.HasSuffix(rest, "-"): // as banks write it
		sign, rest = "-", rest[:len(rest)-1]
	default:
		rest = strings.TrimPrefix(rest, "+")
	}
	whole, fraction, hasFraction := strings.Cut(strings.TrimSpace(rest), decimal)
	whole, ok := ungrouped(whole, thousands)
	if !ok || hasFraction && !digitsOnly(fraction) || whole == "" && fraction == "" {
		if f.Comma {
			return wrong("is no amount with a decimal comma")
		}
		return wrong("is no amount: write for example 1234.56; for 1.234,56 add --decimal comma")
	}
	if len(whole)+len(fraction) > longestAmount {
		return wrong("has too many digits")
	}
	if whole == "" {
		whole = "0"
	}
	if !f.Minor {
		if hasFraction && fraction != "" {
			return sign + whole + "." + fraction, nil
		}
		return sign + whole, nil
	}
	digits, known := currency.GetDigits(code)
	switch {
	case !known:
		return wrong(fmt.Sprintf("is in the smallest unit of %q, which is no currency of ISO 4217", cut(code)))
	case strings.Trim(fraction, "0") != "":
		return wrong("is not a whole number of the smallest unit: leave out --minor")
	}
	return sign + shifted(whole, int(digits)), nil
}

// shifted divides by a power of ten: 1234 by 2 is 12.34.
func shifted(whole string, digits int) string {
	if digits == 0 {
		return whole
	}
	whole = strings.Repeat("0", max(0, digits+1-len(whole))) + whole
	return whole[:len(whole)-digits] + "." + whole[len(whole)-digits:]
}

// ungrouped takes separators of thousands out, where they stand right.
func ungrouped(whole, separator string) (string, bool) {
	for _, s := range []string{separator, "'", "’", " ", "\u00a0", "\u202f"} {
		if groups := strings.Split(whole, s); len(groups) > 1 {
			for i, g := range groups {
				if !digitsOnly(g) || i > 0 && len(g) != 3 || i == 0 && (g == "" || len(g) > 3) {
					return "", false
				}
			}
			return strings.Join(groups, ""), true
		}
	}
	return whole, digitsOnly(whole)
}

func digitsOnly(text string) bool {
	for _, r := range text {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
