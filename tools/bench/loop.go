package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
)

// bareLoop is the process that the run is compared with: it posts the same
// requests through the same client, and does nothing else.
func bareLoop(ctx context.Context, args []string) error {
	invoices, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	concurrency, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	client, err := billinghttp.New(billinghttp.Config{
		URL: args[0], Method: "POST", Body: "row", Timeout: 30 * time.Second, Concurrency: concurrency,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	next := make(chan int)
	var senders sync.WaitGroup
	var mu sync.Mutex
	var fault error
	for range concurrency {
		senders.Go(func() {
			for n := range next {
				if err := post(ctx, client, n); err != nil {
					mu.Lock()
					fault = err
					mu.Unlock()
				}
			}
		})
	}
	for n := range invoices {
		next <- n + 1
	}
	close(next)
	senders.Wait()
	return fault
}

func post(ctx context.Context, client *billinghttp.Client, n int) error {
	id := strconv.Itoa(n)
	m, err := client.Render(billing.Invoice{
		ID: billing.InvoiceID(id), Columns: []*string{&id},
		Row: fmt.Appendf(nil, `{"id":%d,"customer":"Customer %d","amount_cents":1234,"currency":"EUR","due_date":"2026-01-01","pending":true,"sent_at":null}`, n, n),
	})
	if err != nil {
		return err
	}
	m.IdempotencyKey = id
	if reply := client.Send(ctx, m, func() error { return nil }); reply.Outcome != billing.Accepted {
		return fmt.Errorf("invoice %d: %s (%s)", n, reply.Outcome, reply.Reason)
	}
	return nil
}
