package matrix_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of the tests: beyond it the runner hangs.
const patience = 90 * time.Second

// runner is a `batch run` as a process.
type runner struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd

	mu    sync.Mutex
	out   bytes.Buffer
	said  chan struct{} // a token when there is something new
	ended chan struct{}
}

// Write implements io.Writer for the process's output.
func (r *runner) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.said <- struct{}{}:
	default:
	}
	return r.out.Write(b)
}

func (r *runner) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// start starts a runner; env comes as NAME=value.
func (s *testbed) start(name string, env ...string) *runner {
	s.t.Helper()
	r := &runner{t: s.t, name: name, cmd: exec.Command(s.book.program, "run"), said: make(chan struct{}, 1), ended: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), "HOSTNAME="+name, "DATABASE_URL="+s.book.url, "BILLING_URL="+s.url,
		"BILLING_HEADERS=Runner: "+name, "LOG_FORMAT=json", "RUN_CANARY=0", "BILLING_LOOKUP_AFTER=0s", "LINGER=1m")
	r.cmd.Env = append(r.cmd.Env, env...)
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	s.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // SIGKILL ends a stopped process, too
		<-r.ended
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", name, r.output())
		}
	})
	return r
}

func (r *runner) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Fatal(err)
	}
}

// wantActed waits until the failpoints have done all that was ordered, and
// returns how many hits that took.
func (r *runner) wantActed(orders []string) (hits int) {
	r.t.Helper()
	late := time.After(patience)
	for _, order := range orders {
		point, rest, _ := strings.Cut(order, "=")
		action, hit, _ := strings.Cut(rest, "@")
		said := func() bool {
			return strings.Contains(r.output(), fmt.Sprintf("failpoint %s: hit %s: %s\n", point, hit, action))
		}
		for !said() {
			select {
			case <-r.said:
				continue
			case <-r.ended:
			case <-late:
			}
			if !said() {
				r.t.Fatalf("%s came to its end, or did not within %s, without hitting %s", r.name, patience, point)
			}
		}
		n, err := strconv.Atoi(hit)
		if err != nil {
			r.t.Fatal(err)
		}
		hits += n
	}
	return hits
}

// wantStopped waits until the process stands still.
func (r *runner) wantStopped() {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
		if err != nil {
			r.t.Fatal(err)
		}
		// The state stands behind the command's name, in parentheses (proc(5)).
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "T") {
			return
		}
	}
	r.t.Fatalf("%s did not stop within %s", r.name, patience)
}

// exit waits for the end and returns the exit code; -1: killed.
func (r *runner) exit() int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatalf("%s did not end within %s", r.name, patience)
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *runner) wantExit(codes ...int) {
	r.t.Helper()
	got := r.exit()
	for _, want := range codes {
		if got == want {
			return
		}
	}
	r.t.Errorf("%s ended with exit code %d, want one of %v", r.name, got, codes)
}

func (r *runner) kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	r.wantExit(-1)
}
