//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// orders are what the environment asks for. Points are hit from everywhere, and
// a value that is passed along would be in production builds too.
var orders = ordersOf(os.Getenv(variable)) //nolint:gochecknoglobals // see above

func ordersOf(text string) map[string]*order {
	all, err := parse(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return all
}

// Hit marks a point.
func Hit(point string) {
	if o := orders[point]; o != nil && o.due() {
		o.obey(point)
	}
}

// Fail marks a point at which the step can fail: err is set, if it is nil.
func Fail(point string, err *error) {
	o := orders[point]
	if o == nil || !o.due() {
		return
	}
	o.obey(point)
	if o.action == "error" && *err == nil {
		*err = brokenError{point}
	}
}

func (o *order) obey(point string) {
	fmt.Fprintf(os.Stderr, "failpoint %s: hit %d: %s\n", point, o.at, o.action)
	switch o.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the kernel has this thread by now
	case "stop":
		if o.argument > 0 {
			continueAfter(o.argument)
		}
		stop()
	case "delay":
		time.Sleep(o.argument)
	}
}

// stop ends when somebody sends SIGCONT. The signal goes to this very thread: one
// to the process may be taken by another, while this one runs on for a moment.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
}

// continueAfter leaves it to another process to wake this one up.
func continueAfter(d time.Duration) {
	waker := exec.Command("sh", "-c", fmt.Sprintf("sleep %f && kill -CONT %d", d.Seconds(), os.Getpid())) //nolint:noctx // it must outlive whatever is cancelled
	if err := waker.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "start who wakes this process up:", err)
		os.Exit(2)
	}
	go func() { _ = waker.Wait() }()
}

// brokenError is a net.Error, which the edges take for a broken connection.
type brokenError struct{ point string }

func (e brokenError) Error() string   { return "connection broken by failpoint " + e.point }
func (e brokenError) Timeout() bool   { return false }
func (e brokenError) Temporary() bool { return false }
