package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// Start is the id to begin a shared run's pass after. Integers are taken to lie evenly
// between the lowest and the highest pending one, texts likewise by what follows their
// common beginning, and UUIDs to be random.
func (s *Store) Start(ctx context.Context, place float64) (*billing.InvoiceID, error) {
	if s.place.keyType == "uuid" {
		id := billing.InvoiceID(uuidAt(place).String())
		return &id, nil
	}
	var low, high *string
	err := s.hangs.error()
	if err == nil {
		err = s.readRows(ctx, s.sql.bounds, nil, func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&low, &high}, func() error { return nil })
			return err
		})
	}
	if failsOnRow(err) { // any place is as good
		return nil, nil
	}
	if err != nil || low == nil || high == nil {
		return nil, err
	}
	if !s.integerKey() {
		if place == 0 {
			return nil, nil
		}
		id := billing.InvoiceID(textAt(*low, *high, place))
		return &id, nil
	}
	from, err := strconv.ParseInt(*low, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the lowest pending id: %w", err)
	}
	to, err := strconv.ParseInt(*high, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the highest pending id: %w", err)
	}
	at := integerAt(from, to, place)
	if at <= from {
		return nil, nil
	}
	id := billing.InvoiceID(strconv.FormatInt(at, 10))
	return &id, nil
}

// integerAt is the number before the place: a scan begins behind it. The
// distance of two bigints may need 64 bits without a sign.
func integerAt(from, to int64, place float64) int64 {
	distance := float64(uint64(to) - uint64(from))
	return int64(uint64(from) + uint64(place*distance) - 1)
}

func uuidAt(place float64) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:], uint64(place*math.MaxUint64))
	return id
}

const (
	digits  = "0123456789"
	letters = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// textDigits is how many characters behind the common beginning count.
	textDigits = 8
)

// textAt is a text at a place between two others. Where a collation has another order, or
// the ids other characters, it lies elsewhere: any place is as good.
func textAt(low, high string, place float64) string {
	common := 0
	for common < min(len(low), len(high)) && low[common] == high[common] && low[common] < utf8.RuneSelf {
		common++
	}
	alphabet := digits
	if strings.Trim(low[common:]+high[common:], digits) != "" {
		alphabet = letters
	}
	from, to := textNumber(low[common:], alphabet), textNumber(high[common:], alphabet)
	n := uint64(from + place*(to-from))
	tail := make([]byte, textDigits)
	for i := textDigits - 1; i >= 0; i-- {
		tail[i] = alphabet[n%uint64(len(alphabet))]
		n /= uint64(len(alphabet))
	}
	return low[:common] + string(tail)
}

// textNumber reads the beginning of a text as a number; a character that is no digit of
// the alphabet counts as the first one.
func textNumber(text, alphabet string) (n float64) {
	for i := range textDigits {
		digit := 0
		if i < len(text) {
			digit = max(0, strings.IndexByte(alphabet, text[i]))
		}
		n = n*float64(len(alphabet)) + float64(digit)
	}
	return n
}
