package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"billonce/internal/billing/billingfake"
)

// Story is told by two servers, twice: first with nothing to keep them apart,
// then with Billonce.
type Story struct {
	Program  Program
	Server   PostgreSQL
	Invoices int           // a Billonce server locks up to three ahead here: from four on both have work
	Latency  time.Duration // of the billing API
	Naive    []string      // the arguments by which Program becomes RunNaive
	Out      io.Writer
	Color    bool
}

// Told is what became of the story.
type Told struct {
	Acts   []Act `json:"acts"`
	AsTold bool  `json:"as_told"`
}

// Act is one act by the API's own count.
type Act struct {
	Name        string         `json:"name"`
	Invoices    int            `json:"invoices"`
	Requests    int            `json:"requests"`
	Effects     int            `json:"effects"`      // invoices billed, each time they were
	BilledTwice int            `json:"billed_twice"` // invoices billed more than once
	Servers     map[string]int `json:"requests_by_server"`
}

func serverNames() []string { return []string{"server A", "server B"} }

// Tell plays both acts.
func (s Story) Tell(ctx context.Context) (told Told, err error) {
	b, err := openBooks(ctx, s.Server, s.Invoices)
	if err != nil {
		return told, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	for _, act := range []struct {
		name, opening string
		server        func(name, databaseURL, billingURL string) (child, error)
	}{
		{"without a lock", openingNaive, s.naiveServer},
		{"with Billonce", openingBillonce, s.billonceServer},
	} {
		fmt.Fprintf(s.Out, "\nAct %d, %s\n%s\n\n", len(told.Acts)+1, act.name, act.opening)
		played, err := s.play(ctx, b, act.server)
		if err != nil {
			return told, fmt.Errorf("play act %d: %w", len(told.Acts)+1, err)
		}
		played.Name = act.name
		told.Acts = append(told.Acts, played)
		fmt.Fprintf(s.Out, "\n%s\n", moral(played))
	}
	told.AsTold = told.Acts[0].allTwice() && told.Acts[1].allOnce()
	s.writeVerdict(told)
	return told, nil
}

// play lets all servers loose on one copy of the book.
func (s Story) play(ctx context.Context, b *books, server func(name, databaseURL, billingURL string) (child, error)) (act Act, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	database, err := b.add(ctx)
	if err != nil {
		return act, err
	}
	scene := newScene(s.Out, s.Color, serverNames())
	// Neither has keys for idempotency: locks are all that the acts differ in.
	config := billingfake.Config{Latency: s.Latency, Before: func(r billingfake.Received) { scene.arrived(ctx, r) }}
	seen, err := withAPI(ctx, config, func(billingURL string) error {
		// Before the API is closed, nobody may wait in it for a server that has ended.
		defer stop()
		var children []child
		for _, name := range serverNames() {
			c, err := server(name, s.Server.URL(database), billingURL)
			if err != nil {
				return err
			}
			children = append(children, c)
		}
		return s.Program.runAll(ctx, children)
	})
	return Act{
		Invoices: s.Invoices, Requests: seen.Requests, Effects: seen.Effects,
		BilledTwice: len(seen.Duplicates), Servers: scene.requests(),
	}, err
}

func (s Story) naiveServer(name, databaseURL, billingURL string) (child, error) {
	text, err := json.Marshal(orders{Server: name, DatabaseURL: databaseURL, BillingURL: billingURL})
	return child{name: name, args: s.Naive, stdin: bytes.NewReader(text)}, err
}

// billonceServer takes one invoice at a time, as the naive one does, so that
// both have a part to play in so short a list.
func (s Story) billonceServer(name, databaseURL, billingURL string) (child, error) {
	return child{name: name, args: []string{"run"}, environment: []string{
		"HOSTNAME=" + name, "DATABASE_URL=" + databaseURL, "BILLING_URL=" + billingURL,
		"BILLING_HEADERS=" + serverHeader + ": " + name,
		"RUN_LOCK=shared", "CLAIM_SIZE=1", "CONCURRENCY=1", "LOG_LEVEL=warn", "LOG_FORMAT=json",
	}}, nil
}

// allTwice: each server billed each invoice.
func (a Act) allTwice() bool {
	return a.BilledTwice == a.Invoices && a.Effects == a.Invoices*len(serverNames())
}

// allOnce: each invoice was billed once, and each server had a part in it.
func (a Act) allOnce() bool {
	idle := slices.ContainsFunc(serverNames(), func(name string) bool { return a.Servers[name] == 0 })
	return a.BilledTwice == 0 && a.Effects == a.Invoices && a.Requests == a.Invoices && !idle
}
