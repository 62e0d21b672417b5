package advisory_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// Two programs want the same three objects. Each object goes to one of them, and nobody
// waits.
func ExampleTryLockAll() {
	ctx := context.Background()
	first, second := twoConnections(ctx)
	defer first.Close(ctx)
	defer second.Close(ctx)

	var keys []advisory.Key
	for _, id := range []string{"41", "42", "43"} {
		key, err := advisory.ObjectKey("", id, true)
		if err != nil {
			log.Fatal(err)
		}
		keys = append(keys, key)
	}
	claim := func(name string, conn *pgx.Conn, keys []advisory.Key) pgx.Tx {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
		if err != nil {
			log.Fatal(err)
		}
		got, err := advisory.TryLockAll(ctx, conn, keys)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, keys, got)
		return tx
	}
	tx := claim("first: ", first, keys[:2])
	defer claim("second:", second, keys).Rollback(ctx)

	// Now what was locked is read again, and worked on. The end of the transaction frees
	// its locks, all at once.
	if err := tx.Rollback(ctx); err != nil {
		log.Fatal(err)
	}
	again, err := advisory.TryLockAll(ctx, second, keys)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("then:  ", again)
	// Output:
	// first:  [41 42] [true true]
	// second: [41 42 43] [false false true]
	// then:   [true true true]
}

// A session lock keeps a second program out, and tells it who holds it. Whoever relies on it
// watches for its loss.
func ExampleAcquire() {
	ctx := context.Background()
	config, err := pgx.ParseConfig(database(ctx))
	if err != nil {
		log.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "nightly"
	c := advisory.Config{
		Conn:           config,
		Key:            advisory.NewRunKey("invoices"),
		Mode:           advisory.Exclusive,
		LongestRequest: 30 * time.Second, // the server frees no lock before that is over
	}
	lock, err := advisory.Acquire(ctx, c)
	if err != nil {
		log.Fatal(err)
	}

	var held *advisory.HeldError
	if _, err := advisory.Acquire(ctx, c); errors.As(err, &held) {
		fmt.Println("held by", held.Holders[0].ApplicationName)
	}
	select {
	case <-lock.Lost():
		fmt.Println("lost:", lock.Err()) // begin nothing more
	default:
		fmt.Println("still ours")
	}
	if err := lock.Release(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// held by nightly
	// still ours
}

// Whether locks lock is tried over the connections that will be used, and not guessed
// from a version. Here they don't: the connections lead to two databases.
func ExampleProveTransactionLocks() {
	ctx := context.Background()
	a, b := twoConnections(ctx)
	defer a.Close(ctx)
	defer b.Close(ctx)
	fmt.Println("one database:", advisory.ProveTransactionLocks(ctx, a, b))

	elsewhere, err := pgx.Connect(ctx, database(ctx))
	if err != nil {
		log.Fatal(err)
	}
	defer elsewhere.Close(ctx)
	var unsafe *advisory.UnsafeError
	if errors.As(advisory.ProveTransactionLocks(ctx, a, elsewhere), &unsafe) {
		fmt.Println("two databases:", unsafe.Seen)
	}
	// Output:
	// one database: <nil>
	// two databases: Here a transaction advisory lock excludes nobody: a second connection got the lock that the first one held
}

// database is the URL of an empty one.
func database(ctx context.Context) string {
	url, err := pgtest.ExampleDB(ctx)
	if err != nil {
		log.Fatal(err)
	}
	return url
}

func twoConnections(ctx context.Context) (a, b *pgx.Conn) {
	url := database(ctx)
	a, err := pgx.Connect(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	b, err = pgx.Connect(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	return a, b
}
