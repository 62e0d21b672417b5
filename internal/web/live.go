package web

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/desk"
)

// livePeriod is how often the database is asked while anybody watches, however many do.
const livePeriod = time.Second

// live reads the status for all who watch, and writes the event that tells of it.
type live struct {
	ctx   context.Context
	desk  Desk
	event func(desk.Status) ([]byte, error)
	log   zerolog.Logger

	mu       sync.Mutex
	watchers map[chan []byte]struct{}
	reading  bool
}

func newLive(ctx context.Context, d Desk, event func(desk.Status) ([]byte, error), log zerolog.Logger) *live {
	return &live{ctx: ctx, desk: d, event: event, log: log, watchers: map[chan []byte]struct{}{}}
}

// watch returns a channel of the newest event; leave ends it.
func (l *live) watch() (news <-chan []byte, leave func()) {
	c := make(chan []byte, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[c] = struct{}{}
	if !l.reading {
		l.reading = true
		go l.read()
	}
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, c)
	}
}

// read goes on until nobody watches.
func (l *live) read() {
	tick := time.NewTicker(livePeriod)
	defer tick.Stop()
	for {
		var event []byte
		st, err := l.desk.Status(l.ctx)
		if err == nil {
			event, err = l.event(st)
		}
		if err != nil && l.ctx.Err() == nil {
			l.log.Warn().Err(err).Msg("can't read the status; those who watch see the last one")
		}
		if !l.tell(event, err == nil) {
			return
		}
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
	}
}

// tell gives the event to each watcher, in place of one that was not taken yet; false:
// there is none.
func (l *live) tell(event []byte, known bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.watchers {
		if !known {
			continue
		}
		select {
		case <-c:
		default:
		}
		c <- event
	}
	l.reading = len(l.watchers) > 0
	return l.reading
}
