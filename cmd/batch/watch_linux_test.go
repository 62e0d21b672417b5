package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/billonce/billonce/internal/billing"
)

// openTerminal is a pseudo-terminal (pty(7)): what a person sees and types, and what
// the program has for a terminal.
func openTerminal(t *testing.T, rows, columns uint16) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// nextPage reads what is shown up to the end of a page.
func nextPage(t *testing.T, person *os.File) string {
	t.Helper()
	var page bytes.Buffer
	b := make([]byte, 1)
	for !strings.HasSuffix(page.String(), clearBelow) {
		if _, err := person.Read(b); err != nil {
			t.Fatalf("%v behind:\n%s", err, &page)
		}
		page.Write(b)
	}
	return strings.ReplaceAll(page.String(), "\r\n", "\n") // as a terminal has them
}

// Ctrl-C on a terminal reaches the fake API and the run beside it, once each: the run
// settles what is in flight.
func TestCtrlCBesideTheFakeAPI(t *testing.T) {
	t.Parallel()
	s := newShop(t, twenty, "BILLING_URL=http://localhost/{id}")
	s.batch(0, "migrate")
	person, program := openTerminal(t, 24, 80)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "fake-api", "--latency", "1s", "--", os.Args[0], "run")
	cmd.Env = append(os.Environ(), asBatch+"=1", "DATABASE_URL="+s.url, "CONCURRENCY=2", "RUN_CANARY=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = program.Close()
	var shown bytes.Buffer
	b := make([]byte, 4096)
	for typed := false; ; {
		n, err := person.Read(b)
		if err != nil { // EIO: nobody has the terminal any more
			break
		}
		shown.Write(b[:n])
		if !typed && strings.Contains(shown.String(), " of 20") { // how far the run is
			await(t, "a request in flight", func() bool { return s.ask("select count(*)::text from billonce.deliveries where state = 'sending'") != "0" })
			if _, err := person.WriteString("\x03"); err != nil {
				t.Fatal(err)
			}
			typed = true
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != billing.ExitStopped {
		t.Errorf("it ends with %v", err)
	}
	if text := shown.String(); strings.Contains(text, "second signal.") || !strings.Contains(text, "stopped early (signal)") || !strings.Contains(text, "own account") {
		t.Error(text)
	}
}

// status --watch on a terminal: what changes is shown in the same place, however low
// the terminal is, and Ctrl-C ends it well.
func TestStatusWatchOnATerminal(t *testing.T) {
	t.Parallel()
	s := newShop(t, twenty, "BILLING_URL=http://localhost/{id}")
	s.batch(0, "migrate")
	person, program := openTerminal(t, 8, 60)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "status", "--watch=50ms")
	cmd.Env = append(os.Environ(), asBatch+"=1", "DATABASE_URL="+s.url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = program.Close()
	first := nextPage(t, person)
	if !strings.HasPrefix(first, clearAndHome) || !regexp.MustCompile(`Invoices +pending +20\x1b\[K\n`).MatchString(first) {
		t.Errorf("%q", first)
	}
	s.sql("update invoices set pending = false where id <= 13")
	changed := nextPage(t, person)
	for !regexp.MustCompile(`pending +7\x1b\[K\n`).MatchString(changed) {
		changed = nextPage(t, person)
	}
	if !strings.HasPrefix(changed, cursorHome+"Invoices") || strings.Count(changed, "\n") != 7 || !strings.Contains(changed, "more lines: make the terminal higher") {
		t.Errorf("%q", changed)
	}
	if _, err := person.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted, it ends with %v", err)
	}
}
