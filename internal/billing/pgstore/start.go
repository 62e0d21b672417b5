package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

// Start is the id to begin a shared run's pass after. Integers are taken to lie evenly between the
// lowest and the highest pending one, UUIDs to be random. Text is begun with the
// first.
func (s *Store) Start(ctx context.Context, place float64) (*billing.InvoiceID, error) {
	switch {
	case s.place.keyType == "uuid":
		id := billing.InvoiceID(uuidAt(place).String())
		return &id, nil
	case !s.integerKey():
		return nil, nil
	}
	var low, high *string
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.bounds).Scan(&low, &high)
	})
	if pgerr.FailsOnData(err) { // on one row: any place is as good
		return nil, nil
	}
	if err != nil || low == nil || high == nil {
		return nil, err
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
