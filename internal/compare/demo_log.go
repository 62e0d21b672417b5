package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// demoLog shows a scenario as the billing API sees it: a line for each request, and
// for each end that a server did not choose.
type demoLog struct {
	out   io.Writer
	color bool
	keyed bool // the API recognises a repeat

	mu       sync.Mutex
	began    time.Time // the first request
	byServer map[string]int
	absent   map[string]bool // servers that have neither asked yet nor ended
	together chan struct{}   // closed when there are none
	errors   int
	refused  string
	kill     struct {
		at              time.Time
		server, invoice string
		recovered       time.Duration
	}
}

func newDemoLog(out io.Writer, color, keyed bool) *demoLog {
	return &demoLog{out: out, color: color, keyed: keyed, byServer: map[string]int{}}
}

// expect says who comes next.
func (l *demoLog) expect(servers []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.absent, l.together = map[string]bool{}, make(chan struct{})
	for _, name := range servers {
		l.absent[name] = true
	}
}

// arrived notes a request. The first ones are answered only when every server
// has asked once or has ended: "at the same moment" must not depend on how busy
// the machine is that it runs on.
func (l *demoLog) arrived(ctx context.Context, r billingfake.Received) {
	select {
	case <-l.note(r):
	case <-ctx.Done():
	}
}

func (l *demoLog) note(r billingfake.Received) (together <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	server := r.Header.Get(serverHeader)
	switch {
	case r.Attempt == 1:
		l.say(r.At, "", fmt.Sprintf("%s bills invoice %s", server, r.Invoice))
	case !l.keyed:
		l.say(r.At, red, fmt.Sprintf("%s bills invoice %s  TWICE", server, r.Invoice))
	case r.Invoice == l.kill.invoice && l.kill.recovered == 0:
		l.kill.recovered = r.At.Sub(l.kill.at)
		l.say(r.At, green, fmt.Sprintf("%s recovers invoice %s with the same key, %.1f s after the kill", server, r.Invoice, l.kill.recovered.Seconds()))
	default:
		l.say(r.At, "", fmt.Sprintf("%s asks again for invoice %s with the same key", server, r.Invoice))
	}
	l.byServer[server]++
	l.present(server)
	return l.together
}

// killed notes that server A was, when the API had billed an invoice for it.
func (l *demoLog) killed(at time.Time, invoice string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kill.at, l.kill.server, l.kill.invoice = at, serverA, invoice
	l.say(at, red, fmt.Sprintf("%s is KILLED: invoice %s is billed, and still marked pending", serverA, invoice))
}

// restored notes that the database has forgotten the night.
func (l *demoLog) restored() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say(time.Now(), red, "the database is RESTORED from a backup: all are pending again")
}

// failed notes a server that ended with an error, or refused to run.
func (l *demoLog) failed(server string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == billing.ExitRefused {
		l.refused = server
		l.say(time.Now(), green, server+" sees that the ledger was restored, and sends nothing")
		return
	}
	l.errors++
	l.say(time.Now(), red, fmt.Sprintf("%s DIES of an error, after %d requests:\n          %s", server, l.byServer[server], reason(err)))
}

// left notes a server's end, of whatever kind.
func (l *demoLog) left(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.present(server)
}

func (l *demoLog) present(server string) {
	if !l.absent[server] {
		return
	}
	delete(l.absent, server)
	if len(l.absent) == 0 {
		close(l.together)
	}
}

func (l *demoLog) say(at time.Time, color, text string) {
	if l.began.IsZero() {
		l.began = at
	}
	line := fmt.Sprintf("  %4.1f s  %s", at.Sub(l.began).Seconds(), text)
	if l.color && color != "" {
		line = color + line + plain
	}
	fmt.Fprintln(l.out, line)
}

// counts are what it knows of the scenario.
func (l *demoLog) counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counts{
		Errors: l.errors, Servers: maps.Clone(l.byServer),
		Refused: l.refused, Killed: l.kill.server, Recovered: l.kill.recovered.Seconds(),
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
