package pgdesk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/sql"
)

// How many pending invoices a status looks up in the ledger at most: about a second's
// worth, and ten milliseconds'.
const (
	sendingWalk = 200_000
	quickWalk   = 1000
)

// underWay is a delivery that was `sending` when it was read.
type underWay struct {
	id                    billing.InvoiceID
	updatedAt             time.Time
	application, strategy string
	unfinished            bool // its run
}

// readSending finds what is under way, and by whom. An advisory runner holds
// the invoice's lock for as long as its delivery is `sending`, so whoever holds
// it has it. A row lock is in no list of locks (manual, 13.3.2): there, a
// runner is alive whose run is not finished and who is connected.
func (r *statusReader) readSending(ctx context.Context) error {
	walk := sendingWalk
	if r.Quick {
		walk = quickWalk
	}
	var found []underWay
	var u underWay
	_, err := r.eachPending(ctx, "status_sending", []any{&u.id, &u.updatedAt, &u.application, &u.strategy, &u.unfinished}, func() error {
		found = append(found, u)
		return nil
	}, walk)
	if err != nil {
		return err
	}
	held, err := advisory.ObjectHolders(ctx, r.conn)
	if err != nil {
		return err
	}
	r.st.InvoiceLocks = len(held)
	alive := map[string]*desk.AliveRunner{}
	var suspects []underWay
	for _, u := range found {
		who, err := r.holder(u, held)
		switch {
		case err != nil:
			return err
		case who == "":
			suspects = append(suspects, u)
			continue
		case alive[who] == nil:
			alive[who] = &desk.AliveRunner{Application: who, Since: u.updatedAt}
		}
		alive[who].Count++
		if u.updatedAt.Before(alive[who].Since) {
			alive[who].Since = u.updatedAt
		}
	}
	s := desk.Sending{Alive: []desk.AliveRunner{}, AtLeast: r.st.PendingUnknown || r.st.Pending > int64(walk)}
	for _, a := range alive {
		s.Alive = append(s.Alive, *a)
	}
	slices.SortFunc(s.Alive, func(a, b desk.AliveRunner) int { return strings.Compare(a.Application, b.Application) })
	if s.Orphaned, err = r.orphaned(ctx, suspects); err != nil {
		return err
	}
	r.st.Sending = s
	r.st.Deliveries[billing.Sending] = int64(len(found) - len(suspects) + s.Orphaned)
	return nil
}

// holder names who has a delivery under way; empty: nobody.
func (r *statusReader) holder(u underWay, held map[advisory.Key]advisory.Holder) (string, error) {
	key, err := advisory.ObjectKey(r.Namespace, string(u.id), r.names.KeyType == "bigint" || r.names.KeyType == "integer")
	if err != nil {
		return "", fmt.Errorf("form the lock key of invoice %s: %w", u.id, err)
	}
	if h, ok := held[key]; ok {
		return h.ApplicationName, nil
	}
	if u.strategy == "row" && u.unfinished && r.connected[u.application] {
		return u.application, nil
	}
	return "", nil
}

// orphaned counts those of the suspects that are still as they were found. The
// locks were read in between: one that nobody held then, and that was not written
// from before until after, has lost its runner. The others were settled meanwhile.
func (r *statusReader) orphaned(ctx context.Context, suspects []underWay) (n int, err error) {
	if len(suspects) == 0 {
		return 0, nil
	}
	ids := make([]billing.InvoiceID, len(suspects))
	for i, s := range suspects {
		ids[i] = s.id
	}
	query, err := sql.Query("delivery", r.names)
	if err != nil {
		return 0, err
	}
	wanted, err := array(ids)
	if err != nil {
		return 0, err
	}
	rows, err := r.conn.Query(ctx, query, wanted)
	if err != nil {
		return 0, fmt.Errorf("look again at orphaned deliveries: %w", err)
	}
	now, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return 0, fmt.Errorf("look again at orphaned deliveries: %w", err)
	}
	for i, d := range now {
		if d.UpdatedAt.Equal(suspects[i].updatedAt) {
			n++
		}
	}
	return n, nil
}

// readConnected reads who is connected to this database.
func (r *statusReader) readConnected(ctx context.Context) error {
	rows, err := r.conn.Query(ctx, advisory.OnPrimary+"select distinct application_name from pg_stat_activity where datname = current_database()")
	if err != nil {
		return fmt.Errorf("read who is connected: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read who is connected: %w", err)
	}
	r.connected = map[string]bool{}
	for _, name := range names {
		r.connected[name] = true
	}
	return nil
}
