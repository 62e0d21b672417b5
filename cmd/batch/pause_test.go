package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// A pause that comes while a run is under way: no request is begun after it, whatever
// was in flight is settled, and the run ends.
func TestPauseStopsARunOnItsWay(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		var once sync.Once
		made := make(chan *book, 1)
		b := newBook(t, 200, billingfake.Config{Idempotent: idempotent, Before: func(billingfake.Received) {
			once.Do(func() { (<-made).command("pause", "--reason", "wrong prices", "--by", "ann") })
		}})
		made <- b
		p := b.start("CONCURRENCY=8", "CLAIM_SIZE=20")
		p.wantExit(billing.ExitStopped)
		if out := p.output(); !strings.Contains(out, `"stopped":"paused"`) {
			t.Errorf("no stop by the pause:\n%s", out)
		}
		if left := query[int](b, "select count(*)::int from invoices where pending"); left == 0 {
			t.Error("all were sent")
		}
		if n := query[int](b, "select count(*)::int from billonce.deliveries where state <> 'sent'"); n != 0 && !idempotent {
			t.Errorf("%d deliveries were begun and not sent", n)
		}
		b.command("resume")
		q := b.start()
		q.wantExit(billing.ExitDone)
		b.wantStates("sent/false=200")
	}
}

// command runs one of people's commands.
func (b *book) command(args ...string) {
	b.t.Helper()
	if code, out := b.tries(args...); code != billing.ExitDone {
		b.t.Errorf("batch %s: exit code %d\n%s", args[0], code, out)
	}
}

func (b *book) tries(args ...string) (code int, out string) {
	var environ []string
	for name, value := range b.env {
		environ = append(environ, name+"="+value)
	}
	var said bytes.Buffer
	code = run(context.WithoutCancel(b.t.Context()), args, environ, &said, &said)
	return code, said.String()
}
