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
)

// orders are what the story tells a naive server. They come on standard input,
// and no variable or flag stands for them: nobody can aim one at real invoices
// by mistake.
type orders struct {
	Server      string `json:"server"`
	DatabaseURL string `json:"database_url"`
	BillingURL  string `json:"billing_url"`
}

// RunNaive is the program that everybody writes first, and that bills twice as
// soon as two servers run it: select the pending invoices; for each of them
// call the API, then update the row.
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
	for _, id := range ids {
		if err := o.bill(ctx, client, id); err != nil {
			return fmt.Errorf("bill invoice %d: %w", id, err)
		}
		if _, err := conn.Exec(ctx, "update invoices set pending = false, sent_at = now() where id = $1", id); err != nil {
			return fmt.Errorf("mark invoice %d as sent: %w", id, err)
		}
	}
	return nil
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
