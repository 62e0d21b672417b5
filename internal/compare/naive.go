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

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/pgerr"
)

const (
	serverHeader = "X-Server" // tells the API who is asking
	idInURL      = "{id}"
	naiveTimeout = 30 * time.Second
)

// orders are what the demo and the comparison tell a naive runner. They come on
// standard input, and no variable or flag stands for them: nobody can aim one at
// real invoices by mistake.
type orders struct {
	Lock        bool   `json:"lock"`    // be the textbook's program, not the first one
	Skip        bool   `json:"skip"`    // an invoice that is locked is no error
	Senders     int    `json:"senders"` // requests in flight, with a connection each
	Server      string `json:"server"`
	Invoices    string `json:"invoices"` // the table, as in SQL
	DatabaseURL string `json:"database_url"`
	BillingURL  string `json:"billing_url"`
}

// account is a naive runner's last line of output.
type account struct {
	Held    int       `json:"held"`    // invoices that it found locked
	Seconds []float64 `json:"seconds"` // from taking an invoice in hand to having it marked
}

// RunNaive is a runner without a ledger: the program that everybody writes
// first, or, if its orders say so, the one that textbooks advise.
func RunNaive(ctx context.Context, in io.Reader, out io.Writer) error {
	var o orders
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("read the orders (only the demo and the comparison start this program): %w", err)
	}
	ids, err := o.pending(ctx)
	if err != nil {
		return err
	}
	accounts := make([]account, max(1, o.Senders))
	g, ctx := errgroup.WithContext(ctx)
	for i := range accounts {
		g.Go(func() error { return o.work(ctx, ids, &accounts[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	sum := account{Seconds: []float64{}}
	for _, a := range accounts {
		sum.Held += a.Held
		sum.Seconds = append(sum.Seconds, a.Seconds...)
	}
	return json.NewEncoder(out).Encode(sum)
}

// pending lists what there is to do, once, as a queue for the senders.
func (o orders) pending(ctx context.Context) (_ <-chan int64, err error) {
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, "select id from "+o.Invoices+" where pending order by id")
	if err != nil {
		return nil, fmt.Errorf("select pending invoices: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("select pending invoices: %w", err)
	}
	queue := make(chan int64, len(ids)) // closed below, and never waited for
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	return queue, nil
}

// work is one sender, with a connection of its own.
func (o orders) work(ctx context.Context, ids <-chan int64, a *account) (err error) {
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	client := &http.Client{Timeout: naiveTimeout, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	send := o.sendUnlocked
	if o.Lock {
		send = o.sendLocked
	}
	for id := range ids {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		began := time.Now()
		sent, err := send(ctx, conn, client, id)
		switch {
		case o.Skip && pgerr.Is(err, pgerrcode.LockNotAvailable): // NOWAIT met another's row lock
			a.Held++
		case err != nil:
			return err
		case sent:
			a.Seconds = append(a.Seconds, time.Since(began).Seconds())
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

// sendUnlocked bills twice as soon as two servers run it.
func (o orders) sendUnlocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) (bool, error) {
	if err := o.bill(ctx, client, id); err != nil {
		return false, fmt.Errorf("bill invoice %d: %w", id, err)
	}
	// The clock, and not now(), which is the transaction's start.
	if _, err := conn.Exec(ctx, "update "+o.Invoices+" set pending = false, sent_at = clock_timestamp() where id = $1", id); err != nil {
		return false, fmt.Errorf("mark invoice %d as sent: %w", id, err)
	}
	return true, nil
}

// sendLocked keeps two servers apart, until one dies between the call and the
// commit.
func (o orders) sendLocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) (sent bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var pending bool
		err := tx.QueryRow(ctx, "select pending from "+o.Invoices+" where id = $1 for update nowait", id).Scan(&pending)
		if err != nil {
			return fmt.Errorf("lock invoice %d: %w", id, err)
		}
		if !pending {
			return nil
		}
		sent, err = o.sendUnlocked(ctx, tx.Conn(), client, id)
		return err
	})
	return sent, err
}
