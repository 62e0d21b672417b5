package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	serverHeader = "X-Server" // tells the API, for the story, who is asking
	idInURL      = "{id}"
	naiveTimeout = 30 * time.Second
	markSent     = "update invoices set pending = false, sent_at = now() where id = $1"
)

// orders are what the story tells a naive server. They come on standard input,
// and no variable or flag stands for them: nobody can aim one at real invoices
// by mistake.
type orders struct {
	Lock        bool   `json:"lock"` // be the textbook's program, not the first one
	Server      string `json:"server"`
	DatabaseURL string `json:"database_url"`
	BillingURL  string `json:"billing_url"`
}

// RunNaive is a server without a ledger: the program that everybody writes
// first, or, if its orders say so, the one that textbooks advise.
func RunNaive(ctx context.Context, in io.Reader) (err error) {
	var o orders
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("read the orders (only the demo starts this program): %w", err)
	}
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, "select id from invoices where pending order by id")
	if err != nil {
		return fmt.Errorf("select pending invoices: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("select pending invoices: %w", err)
	}
	client := &http.Client{Timeout: naiveTimeout}
	defer client.CloseIdleConnections()
	send := o.sendUnlocked
	if o.Lock {
		send = o.sendLocked
	}
	for _, id := range ids {
		if err := send(ctx, conn, client, id); err != nil {
			return err
		}
	}
	return nil
}

// sendUnlocked bills twice as soon as two servers run it.
func (o orders) sendUnlocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) error {
	if err := o.bill(ctx, client, id); err != nil {
		return fmt.Errorf("bill invoice %d: %w", id, err)
	}
	if _, err := conn.Exec(ctx, markSent, id); err != nil {
		return fmt.Errorf("mark invoice %d as sent: %w", id, err)
	}
	return nil
}

// sendLocked keeps two servers apart, until one dies between the call and the
// commit.
func (o orders) sendLocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var pending bool
		err := tx.QueryRow(ctx, "select pending from invoices where id = $1 for update nowait", id).Scan(&pending)
		if err != nil {
			return fmt.Errorf("lock invoice %d: %w", id, err)
		}
		if !pending {
			return nil
		}
		return o.sendUnlocked(ctx, tx.Conn(), client, id)
	})
}

func (o orders) bill(ctx context.Context, client *http.Client, id int64) error {
	url := strings.ReplaceAll(o.BillingURL, idInURL, strconv.FormatInt(id, 10))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set(serverHeader, o.Server)
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answered %s", reply.Status)
	}
	return nil
}
