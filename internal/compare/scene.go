package compare

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"billonce/internal/billing/billingfake"
)

const (
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// scene shows an act as the billing API sees it: a line for each request.
type scene struct {
	out   io.Writer
	color bool

	mu       sync.Mutex
	began    time.Time // the first request
	byServer map[string]int
	absent   map[string]bool // servers that have not asked yet
	together chan struct{}   // closed when all have
}

func newScene(out io.Writer, color bool, servers []string) *scene {
	s := &scene{out: out, color: color, byServer: map[string]int{}, absent: map[string]bool{}, together: make(chan struct{})}
	for _, name := range servers {
		s.absent[name] = true
	}
	return s
}

// arrived notes a request. The first ones are answered only when every server
// has asked once: "at the same moment" must not depend on how busy the machine
// is that the story is told on.
func (s *scene) arrived(ctx context.Context, r billingfake.Received) {
	s.note(r)
	select {
	case <-s.together:
	case <-ctx.Done():
	}
}

func (s *scene) note(r billingfake.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := r.Header.Get(serverHeader)
	if s.began.IsZero() {
		s.began = r.At
	}
	line := fmt.Sprintf("  %4.1f s  %s bills invoice %s", r.At.Sub(s.began).Seconds(), server, r.Invoice)
	if r.Attempt > 1 {
		line += "  TWICE"
		if s.color {
			line = red + line + plain
		}
	}
	fmt.Fprintln(s.out, line)
	s.byServer[server]++
	if s.absent[server] {
		delete(s.absent, server)
		if len(s.absent) == 0 {
			close(s.together)
		}
	}
}

func (s *scene) requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.byServer)
}
