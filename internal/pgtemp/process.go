package pgtemp

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

const stopTimeout = 30 * time.Second

// watchdog ends the server when its reader's other end is closed, which the
// kernel does whatever ends the parent, SIGKILL included. It reads the server's
// process id, then waits for a word that never comes, or for "done".
const watchdog = `read pid && { read done || kill -QUIT "$pid"; }`

// process is a server that does not outlive this program.
type process struct {
	command *exec.Cmd
	guard   *exec.Cmd
	life    io.WriteCloser
	ended   chan struct{}
	err     error // valid once ended is closed
}

func startProcess(c *exec.Cmd) (*process, error) {
	p := &process{command: c, ended: make(chan struct{})}
	p.guard = exec.Command("/bin/sh", "-c", watchdog) //nolint:noctx // it outlives even this program, for a moment
	// In a group of its own: ^C on a terminal must not end the guard first.
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.guard.Dir = "/"
	var err error
	if p.life, err = p.guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.guard.Start(); err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, p.life.Close(), ignoreExit(p.guard.Wait()))
	}
	go func() {
		p.err = c.Wait()
		close(p.ended)
	}()
	if _, err := fmt.Fprintln(p.life, c.Process.Pid); err != nil {
		return nil, errors.Join(err, p.stop(syscall.SIGQUIT))
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// stop ends the server and its guard.
func (p *process) stop(how syscall.Signal) error {
	_ = p.command.Process.Signal(how)
	var err error
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		err = fmt.Errorf("PostgreSQL did not stop within %s: killed", stopTimeout)
		_ = p.command.Process.Kill()
		<-p.ended
	}
	if how == syscall.SIGINT {
		err = errors.Join(err, p.err)
	}
	_, _ = fmt.Fprintln(p.life, "done")
	return errors.Join(err, p.life.Close(), ignoreExit(p.guard.Wait()))
}

// ignoreExit drops the guard's exit code, which says nothing.
func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
