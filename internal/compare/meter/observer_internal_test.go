package meter

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestObserverNote: looks 20 ms apart, from which the most is kept.
func TestObserverNote(t *testing.T) {
	t.Parallel()
	holds := func(pid int32, transaction float64) session {
		return session{PID: pid, Runner: "1", Transaction: transaction, Holds: true, Locks: 3}
	}
	idle := session{PID: 1, Runner: "1", Transaction: 7, Locks: 2}
	for _, c := range []struct {
		name  string
		looks [][]session
		want  Peaks
	}{
		{"nobody", [][]session{nil}, Peaks{Looks: 1}},
		{"one look is no time", [][]session{{holds(1, 7)}}, Peaks{Connections: 1, LockEntries: 3, Looks: 1}},
		{
			"one transaction, three looks",
			[][]session{{holds(1, 7)}, {holds(1, 7)}, {holds(1, 7)}},
			Peaks{Connections: 1, LockEntries: 3, Horizon: 40 * time.Millisecond, Looks: 3},
		},
		{
			"one transaction after the other",
			[][]session{{holds(1, 7)}, {holds(1, 8)}, {holds(1, 9)}},
			Peaks{Connections: 1, LockEntries: 3, Looks: 3},
		},
		{
			"one that lets go in between",
			[][]session{{holds(1, 7)}, {idle}, {holds(1, 7)}, {holds(1, 7)}},
			Peaks{Connections: 1, LockEntries: 3, Horizon: 20 * time.Millisecond, Looks: 4},
		},
		{
			"a session that has just begun",
			[][]session{{holds(1, 0)}},
			Peaks{Connections: 1, LockEntries: 3, Looks: 1},
		},
		{
			"two sessions",
			[][]session{{holds(1, 7), holds(2, 7)}, {holds(2, 7)}},
			Peaks{Connections: 2, LockEntries: 6, Horizon: 20 * time.Millisecond, Looks: 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &Observer{}
			at := time.Now()
			for i, look := range c.looks {
				m.note(at.Add(time.Duration(i)*lookEvery), look)
			}
			if diff := cmp.Diff(c.want, m.seen); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestObserverNoteCountsWaitingRunners: however many of its sessions wait.
func TestObserverNoteCountsWaitingRunners(t *testing.T) {
	t.Parallel()
	waits := func(pid int32, runner string) session { return session{PID: pid, Runner: runner, Waits: true} }
	m := &Observer{}
	if n := m.note(time.Now(), []session{waits(1, "1"), waits(2, "1"), waits(3, "2"), {PID: 4, Runner: "3"}}); n != 2 {
		t.Errorf("want 2 runners that wait, got %d", n)
	}
}
