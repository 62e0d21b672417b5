package compare

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"billonce/internal/billing/billingfake"
)

const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// scene shows an act as the billing API sees it: a line for each request, and
// for each end that a server did not choose.
type scene struct {
	out   io.Writer
	color bool
	keyed bool // the API recognises a repeat

	mu       sync.Mutex
	began    time.Time // the first request
	byServer map[string]int
	absent   map[string]bool // servers that have neither asked yet nor ended
	together chan struct{}   // closed when there are none
	errors   int
	kill     struct {
		at              time.Time
		server, invoice string
		recovered       time.Duration
	}
}

func newScene(out io.Writer, color, keyed bool) *scene {
	return &scene{out: out, color: color, keyed: keyed, byServer: map[string]int{}}
}

// enter says who comes next.
func (s *scene) enter(servers []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent, s.together = map[string]bool{}, make(chan struct{})
	for _, name := range servers {
		s.absent[name] = true
	}
}

// arrived notes a request. The first ones are answered only when every server
// has asked once or has ended: "at the same moment" must not depend on how busy
// the machine is that the story is told on.
func (s *scene) arrived(ctx context.Context, r billingfake.Received) {
	select {
	case <-s.note(r):
	case <-ctx.Done():
	}
}

func (s *scene) note(r billingfake.Received) (together <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := r.Header.Get(serverHeader)
	switch {
	case r.Attempt == 1:
		s.say(r.At, "", fmt.Sprintf("%s bills invoice %s", server, r.Invoice))
	case !s.keyed:
		s.say(r.At, red, fmt.Sprintf("%s bills invoice %s  TWICE", server, r.Invoice))
	case r.Invoice == s.kill.invoice && s.kill.recovered == 0:
		s.kill.recovered = r.At.Sub(s.kill.at)
		s.say(r.At, green, fmt.Sprintf("%s recovers invoice %s with the same key, %.1f s after the kill", server, r.Invoice, s.kill.recovered.Seconds()))
	default:
		s.say(r.At, "", fmt.Sprintf("%s asks again for invoice %s with the same key", server, r.Invoice))
	}
	s.byServer[server]++
	s.present(server)
	return s.together
}

// killed notes that a server was, when the API had billed an invoice for it.
func (s *scene) killed(at time.Time, server, invoice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill.at, s.kill.server, s.kill.invoice = at, server, invoice
	s.say(at, red, fmt.Sprintf("%s is KILLED: invoice %s is billed, and still marked pending", server, invoice))
}

// failed notes a server that ended with an error.
func (s *scene) failed(server string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors++
	s.say(time.Now(), red, fmt.Sprintf("%s DIES of an error, after %d requests:\n          %s", server, s.byServer[server], reason(err)))
}

// left notes a server's end, of whatever kind.
func (s *scene) left(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present(server)
}

func (s *scene) present(server string) {
	if !s.absent[server] {
		return
	}
	delete(s.absent, server)
	if len(s.absent) == 0 {
		close(s.together)
	}
}

func (s *scene) say(at time.Time, color, text string) {
	if s.began.IsZero() {
		s.began = at
	}
	line := fmt.Sprintf("  %4.1f s  %s", at.Sub(s.began).Seconds(), text)
	if s.color && color != "" {
		line = color + line + plain
	}
	fmt.Fprintln(s.out, line)
}

// act is what the scene knows of the act.
func (s *scene) act() Act {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Act{
		Errors: s.errors, Servers: maps.Clone(s.byServer),
		Killed: s.kill.server, Recovered: s.kill.recovered.Seconds(),
	}
}

// reason is what a server said last, or what PostgreSQL said in it.
func reason(err error) string {
	said := lastLines(err.Error(), 1)
	if _, message, found := strings.Cut(said, "ERROR: "); found {
		return message
	}
	return said
}
