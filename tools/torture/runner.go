package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// runner is one process of `batch run`.
type runner struct {
	name    string
	command *exec.Cmd
	began   time.Time
	ended   chan struct{}

	mu      sync.Mutex
	off     []interval // known to be without the run lock, or stopping
	frozen  []interval // by SIGSTOP
	last    ending
	lastRaw string
	killed  bool
}

// interval ends at the zero time while it lasts.
type interval struct{ from, to time.Time }

func (i interval) holds(at time.Time) bool {
	return at.After(i.from) && (i.to.IsZero() || at.Before(i.to))
}

// ending is a run's last line.
type ending struct {
	Event    string           `json:"event"` // docs/operations.md
	ExitCode *int             `json:"exit_code"`
	Summary  *billing.Summary `json:"summary"`
}

// startRunner starts a process whose log goes into dir.
func startRunner(batch, dir, name string, environment []string) (*runner, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r := &runner{name: name, command: exec.Command(batch, "run"), began: time.Now(), ended: make(chan struct{})} //nolint:noctx // faults end it, and nothing else
	r.command.Env = append([]string{"HOSTNAME=" + name, "BILLING_HEADERS=Runner: " + name, "LOG_FORMAT=json"}, environment...)
	r.command.Stdout, r.command.Stderr = write, write
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("start a runner: %w", err)
	}
	_ = write.Close() // the process has its own
	go func() {
		r.follow(read, log)
		_ = r.command.Wait() // the exit code says it
		_ = log.Close()
		close(r.ended)
	}()
	return r, nil
}

// follow reads the log as it is written.
func (r *runner) follow(from io.Reader, into io.Writer) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(into, "%s %s\n", time.Now().Format("15:04:05.000"), lines.Text())
		r.note(lines.Text())
	}
}

// The events of a run that say whether it may send.
const (
	lockLost      = "run_lock_lost"
	lockRegained  = "run_lock_regained"
	stopping      = "stopping"
	lockOfAnother = "run_lock_held_by_another"
)

func (r *runner) note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.lastRaw = ending{}, line
	_ = json.Unmarshal([]byte(line), &r.last) // a Go crash is no JSON
	switch r.last.Event {
	case lockLost, stopping:
		r.off = append(r.off, interval{from: time.Now()})
	case lockRegained:
		if len(r.off) > 0 {
			r.off[len(r.off)-1].to = time.Now().Add(-lag)
		}
	}
}

// application is how pg_stat_activity and the ledger name it.
func (r *runner) application() string {
	return fmt.Sprintf("billonce/%s/%d", r.name, r.command.Process.Pid)
}

func (r *runner) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

func (r *runner) signal(s syscall.Signal) { _ = r.command.Process.Signal(s) } // it may have ended

func (r *runner) kill() {
	r.mu.Lock()
	r.killed = true
	r.mu.Unlock()
	r.signal(syscall.SIGKILL)
	<-r.ended
}

// exit is the exit code, or how it was killed; and its last line.
func (r *runner) exit() (code string, last ending, raw string) {
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.command.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String(), r.last, r.lastRaw
	}
	return fmt.Sprint(state.ExitCode()), r.last, r.lastRaw
}

func (r *runner) freeze(from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = append(r.frozen, interval{from, to})
}

// lag is how long a runner may already have had its lock again as we hear of it.
const lag = 100 * time.Millisecond

// slack is how long after a runner's word a request may still arrive that was
// begun before it, on a machine that is busy.
const slack = time.Second

// mayHaveSent says whether the runner, by its own words, could send at that time.
func (r *runner) mayHaveSent(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.thawing(at) {
		return true
	}
	return !slices.ContainsFunc(r.off, func(i interval) bool {
		return interval{i.from.Add(slack), i.to}.holds(at)
	})
}

// thawing says that the runner was frozen until just now: what it had begun
// before goes on. The caller holds mu.
func (r *runner) thawing(at time.Time) bool {
	return slices.ContainsFunc(r.frozen, func(i interval) bool {
		return interval{i.from, i.to.Add(slack)}.holds(at)
	})
}
