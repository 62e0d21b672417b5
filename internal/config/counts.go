package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is so many requests in a time.
type Rate struct {
	Text      string
	PerSecond float64 // 0: no limit
}

func (r Rate) String() string { return r.Text }

// Decode implements envconfig.Decoder.
func (r *Rate) Decode(text string) error {
	number, unit, given := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if !given {
		per, known = time.Second, true
	}
	if err != nil || !known || math.IsNaN(n) || math.IsInf(n, 0) {
		return fmt.Errorf("%s is not a rate; write 25 for so many requests a second, 60/m or 5000/h", quote(text))
	}
	if n < 0 {
		return errors.New(quote(text) + " is below 0")
	}
	*r = Rate{text, n / per.Seconds()}
	return nil
}

// Count is a number of invoices, or none.
type Count struct {
	N   int
	Set bool
}

func (c Count) String() string {
	if !c.Set {
		return ""
	}
	return strconv.Itoa(c.N)
}

// Decode implements envconfig.Decoder.
func (c *Count) Decode(text string) error {
	n, err := parseCount(text)
	if err != nil {
		return err
	}
	*c = Count{n, true}
	return nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err != nil:
		return 0, errors.New(quote(text) + " is not a whole number")
	case n < 0:
		return 0, errors.New(quote(text) + " is below 0")
	case len(text) > 1 && text[0] == '0':
		return 0, errors.New(quote(text) + " would be octal; write it without the leading zero")
	}
	return int(n), nil
}

// MostPending is how many invoices a run may find to send.
type MostPending struct {
	Text   string  // empty: none is set
	Number int     // 0: none is set
	Times  float64 // what is usual; 0: none is set
}

func (m MostPending) String() string { return m.Text }

// Decode implements envconfig.Decoder.
func (m *MostPending) Decode(text string) error {
	if number, times := strings.CutSuffix(text, "x"); times {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 1) || math.IsInf(n, 0) {
			return errors.New(quote(text) + " is not understood; write 5000 for a number of invoices, or 3x for three times what is usual")
		}
		*m = MostPending{Text: text, Times: n}
		return nil
	}
	n, err := parseCount(text)
	if err != nil {
		return fmt.Errorf("%s is not understood; write 5000 for a number of invoices, or 3x for three times what is usual", quote(text))
	}
	*m = MostPending{Text: text, Number: n}
	return nil
}
