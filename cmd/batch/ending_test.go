package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// After a signal a run ends in time, whatever it waits for.
func TestP7ASignalEndsWhateverIsWaitedFor(t *testing.T) {
	t.Parallel()
	const drain = 35 * time.Second
	for name, c := range map[string]struct {
		waits func(ctx context.Context) (int, error)
		ends  time.Duration // after the signal
		code  int
	}{
		"a connection": {func(ctx context.Context) (int, error) { <-ctx.Done(); return billing.ExitError, ctx.Err() }, 0, billing.ExitStopped},
		"a request": {func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(drain)
			return billing.ExitStopped, nil
		}, drain, billing.ExitStopped},
		"a detached statement": {func(ctx context.Context) (int, error) { <-advisory.Detach(ctx).Done(); return billing.ExitStopped, nil }, drain + 5*time.Second, billing.ExitStopped},
		"nobody knows what":    {func(context.Context) (int, error) { time.Sleep(time.Hour); return billing.ExitDone, nil }, drain + 10*time.Second, billing.ExitStopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, signal := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { signal(errors.New("terminated signal received")) })
				began := time.Now()
				code, _ := bounded(ctx, drain, c.waits)
				if took := time.Since(began) - time.Minute; took != c.ends || code != c.code {
					t.Errorf("it ended %s after the signal with %d, want %s and %d", took, code, c.ends, c.code)
				}
				time.Sleep(2 * time.Hour) // the goroutine that was left behind
			})
		})
	}
}
