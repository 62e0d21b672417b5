package pgstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// controlledRuns is of how many runs the controls are read.
const controlledRuns = 5

// notePatience is short: later runs have what earlier ones recorded.
const notePatience = 2 * time.Second

// LookAny reads invoices, pending or not, and their deliveries; fewer where rows are wide.
func (s *Store) LookAny(ctx context.Context, ids []billing.InvoiceID) (seen []billing.Invoice, err error) {
	seen, err = s.lookAny(ctx, ids)
	return slices.DeleteFunc(setTwinsAside(seen), func(inv billing.Invoice) bool { return inv.Unread }), err
}

func (s *Store) lookAny(ctx context.Context, ids []billing.InvoiceID) (seen []billing.Invoice, err error) {
	err = s.looking(ctx, s.cfg.RowsTime, func(ctx context.Context, conn *pgx.Conn) (err error) {
		seen, err = s.lookOnce(ctx, conn, s.sql.lookAny, ids)
		return err
	})
	return seen, err
}

// EarlierTests reads the last test of the look-up under the same settings, nil if there
// is none, and the controls that the last runs have left.
func (s *Store) EarlierTests(ctx context.Context, settings string) (test *billing.LookUpTest, controls []billing.Control, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		test, controls = nil, nil
		now := time.Now()
		rows, err := conn.Query(ctx, s.sql.earlierTests, settings, controlledRuns)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind string
			var id, lookUp *string
			var age *float64
			var came []byte
			if err := rows.Scan(&kind, &id, &lookUp, &age, &came); err != nil {
				return err
			}
			if kind == "test" {
				test = &billing.LookUpTest{}
				if err := json.Unmarshal(came, test); err != nil {
					return fmt.Errorf("read the look-up's last test: %w", err)
				}
				continue
			}
			if id == nil || lookUp == nil || age == nil {
				continue
			}
			sum, err := hex.DecodeString(*lookUp)
			if err != nil {
				return fmt.Errorf("read a control: %w", err)
			}
			controls = append(controls, billing.Control{InvoiceID: billing.InvoiceID(*id), LookupSHA256: sum, At: now.Add(-seconds(*age))})
		}
		return rows.Err()
	})
	return test, controls, err
}

// KeepTest records what this run's test of the look-up came to.
func (s *Store) KeepTest(ctx context.Context, t billing.LookUpTest) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.note(ctx, s.sql.keepTest, string(text))
}

// KeepControls records deliveries that a reply has accepted.
func (s *Store) KeepControls(ctx context.Context, all []billing.Control) error {
	ids, sums, ages := make([]string, len(all)), make([][]byte, len(all)), make([]float64, len(all))
	for i, c := range all {
		ids[i], sums[i], ages[i] = string(c.InvoiceID), c.LookupSHA256, time.Since(c.At).Seconds()
	}
	return s.note(ctx, s.sql.keepControls, ids, sums, ages)
}

// note writes something into this run's own row.
func (s *Store) note(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), notePatience,
		fmt.Errorf("the database was away for %s", notePatience))
	defer cancel()
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(statement, append([]any{s.runID()}, args...)...)
		return w.commit(ctx, conn)
	})
}
