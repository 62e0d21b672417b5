package engine

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

// remember has a memory remember that invoices were begun, and settled in a state.
func remember(m *memory, state billing.State, ids ...billing.InvoiceID) {
	ours := make(map[billing.InvoiceID]struct{}, len(ids))
	intents, group := make([]billing.Intent, len(ids)), make([]billing.Settlement, len(ids))
	for i, id := range ids {
		ours[id] = struct{}{}
		intents[i] = billing.Intent{InvoiceID: id, Attempt: 1, RunAttempt: 1, Key: m.runID.String(), RequestSHA256: m.runID[:]}
		group[i] = billing.Settlement{InvoiceID: id, RunID: m.runID, Attempt: 1, RunAttempt: 1, State: state, Status: 200, Answer: &billing.Answer{ID: "in_" + string(id)}}
	}
	m.begin(intents, ours, time.Now())
	if state != billing.Sending {
		m.end(group, make([]billing.Settled, len(group)), time.Now())
	}
}

// P12: a minute of 4,000 invoices a second is remembered in 48 MiB.
func TestP12MemoryIsBounded(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	m := newMemory(uuid.New())
	const most, page = 240_000, 500
	send := func(from int) {
		for n := from; n < from+most; n += page {
			ids := make([]billing.InvoiceID, page)
			for i := range ids {
				ids[i] = billing.InvoiceID(fmt.Sprint(10_000_000 + n + i))
			}
			remember(m, billing.Sent, ids...)
		}
	}
	send(0)
	if n := len(m.all()); n != most {
		t.Errorf("%d of %d are remembered", n, most)
	}
	if used := heap() - before; used > 48<<20 {
		t.Errorf("%d MiB", used>>20)
	}
	if len(m.open) > 0 {
		t.Errorf("%d are taken for open", len(m.open))
	}
	send(most)
	if used := heap() - before; used > 48<<20 {
		t.Errorf("twice as much: %d MiB", used>>20)
	}
	runtime.KeepAlive(m)
}

// P12: what was dropped is known to stand only where something stands that was committed
// after it.
func TestP12WhatWasDroppedIsKnownToStand(t *testing.T) {
	t.Parallel()
	m := newMemory(uuid.New())
	if !m.complete(time.Time{}) {
		t.Error("nothing was dropped, and something is missed")
	}
	remember(m, billing.Sending, "1")
	remember(m, billing.Sending, "2")
	old := &m.commits[0]
	old.acked = old.acked.Add(-2 * rememberFor)
	dropped := old.acked
	remember(m, billing.Sending, "3")
	all := m.all()
	if len(all) != 2 || all[0].id != "2" {
		t.Fatalf("%d are remembered", len(all))
	}
	if m.complete(dropped.Add(-time.Second)) || m.complete(time.Time{}) {
		t.Error("nothing shows that what was dropped stands")
	}
	if !m.complete(all[0].intent) {
		t.Error("what was committed after it shows that it stands")
	}
	// One that began before the oldest was known to be committed says nothing of it.
	m.commits[0].acked = time.Now().Add(-2 * rememberFor)
	m.add(commit{sent: m.commits[0].sent.Add(-time.Hour), acked: time.Now(), of: []*remembered{{id: "4"}}})
	if n := len(m.all()); n != 3 {
		t.Errorf("%d are remembered", n)
	}
}

// P12: what a fail-over has made of a delivery; whatever somebody has begun or decided
// since stands.
func TestP12Fates(t *testing.T) {
	t.Parallel()
	us, them := uuid.New(), uuid.New()
	sent := remembered{run: us, attempt: 2, version: 1, begun: true, settled: true}
	open := remembered{run: us, attempt: 2, version: 1, begun: true}
	decided := remembered{run: us, attempt: 2, version: 1, settled: true} // of another run's attempt, or an old one
	for _, c := range []struct {
		name string
		r    remembered
		d    *billing.Delivery
		want fate
	}{
		{"it is gone", sent, nil, missing},
		{"its intent is gone", open, nil, missing},
		{"what we decided about is gone", decided, nil, homeless},
		{"the attempt before it stands", sent, &billing.Delivery{RunID: them, Attempt: 1, KeyVersion: 1, State: billing.Sending}, missing},
		{"the attempt before it waits", open, &billing.Delivery{RunID: them, Attempt: 1, KeyVersion: 1, State: billing.Retry}, missing},
		{"a person has decided about the attempt before it", sent, &billing.Delivery{RunID: them, Attempt: 1, KeyVersion: 1, State: billing.Cancelled}, stands},
		{"a person has given it another key", sent, &billing.Delivery{RunID: them, Attempt: 1, KeyVersion: 2, State: billing.Retry}, stands},
		{"what we decided about stands as it was before", decided, &billing.Delivery{RunID: us, Attempt: 1, KeyVersion: 1, State: billing.Sending}, homeless},
		{"its intent stands", sent, &billing.Delivery{RunID: us, Attempt: 2, State: billing.Sending}, late},
		{"its intent stands and has no outcome", open, &billing.Delivery{RunID: us, Attempt: 2, State: billing.Sending}, stands},
		{"it stands", sent, &billing.Delivery{RunID: us, Attempt: 2, State: billing.Sent}, stands},
		{"somebody has brought it into doubt", sent, &billing.Delivery{RunID: us, Attempt: 2, State: billing.InDoubt}, late},
		{"a person has cancelled it", sent, &billing.Delivery{RunID: us, Attempt: 2, State: billing.Cancelled}, stands},
		{"another run has made the attempt", sent, &billing.Delivery{RunID: them, Attempt: 2, State: billing.Sending}, stands},
		{"another run has gone on", sent, &billing.Delivery{RunID: them, Attempt: 3, State: billing.Sending}, stands},
	} {
		if got := fateOf(&c.r, c.d); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// What remembering costs an invoice: begun, and settled, in groups.
func BenchmarkMemory(b *testing.B) {
	const page = 100
	m := newMemory(uuid.New())
	ids := make([]billing.InvoiceID, page)
	for i := range ids {
		ids[i] = billing.InvoiceID(fmt.Sprint(10_000_000 + i))
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += page {
		remember(m, billing.Sent, ids...)
	}
}
