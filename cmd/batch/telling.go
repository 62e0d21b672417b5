package main

import (
	"context"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/metrics"
	"github.com/billonce/billonce/internal/notify"
	"github.com/billonce/billonce/internal/tracing"
)

// tell tells everybody of the run's end, all at once: what is slow or away changes
// nothing about how it ended.
func (e *execution) tell(ctx context.Context, code int, s billing.Summary, m *metrics.Metrics, traced *tracing.Run) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.TellTimeout)
	defer cancel()
	var tellers sync.WaitGroup
	tellers.Go(func() { e.pushMetrics(ctx, e.log, e.config, m) })
	tellers.Go(func() { traced.End(ctx, code, s) })
	tellers.Go(func() { e.pingEnd(ctx, code, &s) })
	tellers.Go(func() { e.notifyOfOpen(ctx, code, s) })
	tellers.Wait()
}

// tellOfNoRun tells of a run that did not come to a summary.
func (e *execution) tellOfNoRun(ctx context.Context, code int) {
	if ctx.Err() != nil && code == billing.ExitError {
		return // it was told to stop
	}
	ctx = context.WithoutCancel(ctx)
	var tellers sync.WaitGroup
	tellers.Go(func() { e.pingEnd(ctx, code, nil) })
	tellers.Go(func() {
		if code != billing.ExitRefused || !e.config.tell.Notifies() {
			return
		}
		if err := e.teller.Notify(ctx, e.message(billing.NewsRefused, code, nil)); err != nil {
			e.log.Warn().Err(err).Msg("nobody is told that this run was refused")
		}
	})
	tellers.Wait()
}

// tellOfPause shows the pause to Prometheus alone: the run did nothing.
func (e *execution) tellOfPause(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.TellTimeout)
	defer cancel()
	e.pushMetrics(ctx, e.log, e.config, metrics.Paused())
}

// pingEnd says nothing of a run that was stopped: the next one goes on.
func (e *execution) pingEnd(ctx context.Context, code int, s *billing.Summary) {
	if code == billing.ExitStopped {
		return
	}
	// An error's text may quote a row.
	if err := e.teller.PingEnd(ctx, code == billing.ExitDone, lastWords{Summary: s, ExitCode: code}.text()); err != nil {
		e.log.Warn().Err(err).Msg("the dead man's switch did not hear of this run's end")
	}
}

// notifyOfOpen tells what is new of what waits for a person. It is kept as told once it
// was taken, so that it is told at least once.
func (e *execution) notifyOfOpen(ctx context.Context, code int, s billing.Summary) {
	if !e.config.tell.Notifies() || !s.Counted {
		return
	}
	ctx = advisory.WithEnd(ctx, ctx)
	before, err := e.store.Told(ctx)
	if err != nil {
		e.log.Warn().Err(err).Msg("what is open is told again, perhaps")
	}
	news := s.AllOpen.NewsSince(before)
	if news == billing.NoNews {
		return
	}
	if err := e.teller.Notify(ctx, e.message(news, code, s.AllOpen.Of)); err != nil {
		e.log.Warn().Err(err).Msg("nobody is told of what is open: the next run tries again")
		return
	}
	if err := e.store.Tell(ctx, s.AllOpen.Told()); err != nil {
		e.log.Warn().Err(err).Msg("the next run will tell of the same once more")
	}
}

func (e *execution) message(news billing.News, code int, open map[billing.OpenKind]int64) notify.Message {
	return notify.Message{
		News: news, RunName: e.config.RunName, RunID: e.id.String(), Job: e.config.JobName,
		ExitCode: code, At: time.Now(), Open: open,
	}
}
