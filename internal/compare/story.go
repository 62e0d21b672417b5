package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Story is told by servers that bill the same invoices: alone, without a lock,
// with the textbook's, and with Billonce.
type Story struct {
	Program  Program
	Server   PostgreSQL
	Invoices int           // in the last act twice as many; with less than two, one of its servers would be idle
	Latency  time.Duration // of the billing API in the first act; shorter later
	Out      io.Writer
	Color    bool
}

// Told is what became of the story.
type Told struct {
	Acts   []Act `json:"acts"`
	AsTold bool  `json:"as_told"`
}

// Tell plays all acts.
func (s Story) Tell(ctx context.Context) (told Told, err error) {
	told.AsTold = true
	for i, sc := range s.scripts() {
		fmt.Fprintf(s.Out, "\nAct %d: %s\n%s\n\n", i+1, sc.name, sc.opening)
		played, err := s.play(ctx, sc)
		if err != nil {
			return told, fmt.Errorf("play act %d: %w", i+1, err)
		}
		told.Acts = append(told.Acts, played)
		told.AsTold = told.AsTold && sc.asTold(played)
		fmt.Fprintf(s.Out, "\n%s\n", moral(played))
	}
	s.writeVerdict(told)
	return told, nil
}

// play lets the cast loose on a book of their own.
func (s Story) play(ctx context.Context, sc script) (act Act, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b, err := openBooks(ctx, s.Server, sc.invoices)
	if err != nil {
		return act, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	database, err := b.add(ctx)
	if err != nil {
		return act, err
	}
	st := newStage(s, sc)
	seen, err := withAPI(ctx, st.api(ctx), func(billingURL string) error {
		// Before the API is closed, nobody may wait in it for a server that has ended.
		defer stop()
		for _, names := range sc.cast {
			if err := st.perform(ctx, names, s.Server.URL(database), billingURL); err != nil {
				return err
			}
			if err := b.awaitDeserted(ctx, database); err != nil {
				return err
			}
		}
		return nil
	})
	act = st.scene.act()
	act.Name, act.Lesson, act.Invoices = sc.name, sc.lesson, sc.invoices
	act.Requests, act.Effects, act.BilledTwice = seen.Requests, seen.Effects, len(seen.Duplicates)
	return act, err
}

func (s Story) unlocked(name, databaseURL, billingURL string) (child, error) {
	return s.Program.naive(orders{Server: name, Invoices: demoTable, DatabaseURL: databaseURL, BillingURL: billingURL})
}

func (s Story) locked(name, databaseURL, billingURL string) (child, error) {
	return s.Program.naive(orders{Lock: true, Server: name, Invoices: demoTable, DatabaseURL: databaseURL, BillingURL: billingURL})
}

// billonce is a server that takes one invoice at a time, as the others do, so
// that both have a part to play in so short a list.
func (s Story) billonce(name, databaseURL, billingURL string) (child, error) {
	return child{name: name, args: []string{"run"}, environment: []string{
		"HOSTNAME=" + name, "DATABASE_URL=" + databaseURL, "BILLING_URL=" + billingURL, "BILLING_IDEMPOTENT=true",
		"BILLING_HEADERS=" + serverHeader + ": " + name,
		"RUN_LOCK=shared", "CLAIM_SIZE=1", "CONCURRENCY=1", "LOG_LEVEL=warn", "LOG_FORMAT=json",
	}}, nil
}
