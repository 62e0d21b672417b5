package main

import (
	"context"
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/config"
)

// bounded does f, and ends it after a signal whatever it waits for: statements are given
// up once drain and SettleTimeout are over, and f itself is left TellTimeout later.
func bounded(ctx context.Context, drain time.Duration, f func(context.Context) (int, error)) (int, error) {
	type result struct {
		code int
		err  error
	}
	end, giveUp := context.WithCancelCause(context.Background())
	defer giveUp(nil)
	done := make(chan result, 1)
	go func() {
		code, err := f(advisory.WithEnd(ctx, end))
		if err != nil && code == billing.ExitError && ctx.Err() != nil {
			code = billing.ExitStopped // while it was connecting, say: the next run goes on
		}
		done <- result{code, err}
	}()
	select {
	case r := <-done:
		return r.code, r.err
	case <-ctx.Done():
	}
	settling := time.NewTimer(drain + config.SettleTimeout)
	defer settling.Stop()
	select {
	case r := <-done:
		return r.code, r.err
	case <-settling.C:
		giveUp(fmt.Errorf("%s and %s to settle have passed since the signal", drain, config.SettleTimeout))
	}
	telling := time.NewTimer(config.TellTimeout)
	defer telling.Stop()
	select {
	case r := <-done:
		return r.code, r.err
	case <-telling.C:
		return billing.ExitStopped, fmt.Errorf("ended %s after the signal, with something still waited for: what was not written down is in doubt, and the next run says so",
			drain+config.SettleTimeout+config.TellTimeout)
	}
}
