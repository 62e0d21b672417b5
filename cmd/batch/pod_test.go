package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// What a run is in a pod: signals, names, log lines, last words.

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	b := newBook(t, 1, billingfake.Config{
		Before: func(billingfake.Received) { arrived <- struct{}{} },
		Fault:  func(billingfake.Received) billingfake.Fault { return billingfake.ApplyThenHang{} },
	})
	p := b.start("DRAIN_TIMEOUT=1h", "BILLING_TIMEOUT=1h")
	<-arrived
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		awaitOutput(t, p, "stopping")
	}
	// Its own exit code, not the signal's: the same as PID 1, which no signal's
	// default action ends.
	p.wantExit(billing.ExitStopped)
	b.wantStates("sending/true=1")
}

func TestThePodIsNamedEverywhere(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{Fault: func(billingfake.Received) billingfake.Fault { return billingfake.ReplyStatus{Status: 400} }})
	p := b.start("POD_NAME=billonce-1-0-abcde", "NODE_NAME=node-a", "JOB_NAME=billonce-1", "JOB_COMPLETION_INDEX=0")
	p.wantExit(billing.ExitPerson)
	if got := query[string](b, "select application from billonce.runs"); got != "billonce/billonce-1-0-abcde@node-a" {
		t.Errorf("the ledger names %q", got)
	}
	for _, line := range p.lines() {
		for field, want := range map[string]string{
			"pod": "billonce-1-0-abcde", "node": "node-a", "job": "billonce-1", "completion_index": "0",
		} {
			if line[field] != want {
				t.Errorf("%s is %v in %v", field, line[field], line)
			}
		}
	}
}

// One line an event, each of them JSON, also where the run does not come to be.
func TestALogOfJSONIsJSONThroughout(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{})
	for name, c := range map[string]struct {
		env  string
		code float64
	}{
		"a run":                        {"LOG_LEVEL=debug", 0},
		"a malformed configuration":    {"CONCURRENCY=many", 2},
		"no ledger":                    {"LEDGER_SCHEMA=elsewhere", 2},
		"a URL that is no template":    {"BILLING_URL=http://127.0.0.1/{}", 2},
		"a database that is not there": {"DATABASE_URL=postgres://127.0.0.1:1/x", 1},
	} {
		p := b.start(c.env)
		p.wantExit(int(c.code))
		lines := p.lines()
		if len(lines) == 0 {
			t.Errorf("%s: nothing is logged", name)
			continue
		}
		if last := lines[len(lines)-1]; last["exit_code"] != c.code || last["message"] == nil || last["time"] == nil {
			t.Errorf("%s: the last line is %v", name, last)
		}
		if strings.Contains(p.output(), "\x1b[") {
			t.Errorf("%s: colour where no terminal is", name)
		}
	}
}

func TestLastWordsFitKubernetes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "short", strings.Repeat("é", 10000), strings.Repeat("<", 4000), strings.Repeat("\x00", 9000)} {
		words := lastWords{&billing.Summary{Sent: 7}, billing.ExitError, text}.text()
		var read struct {
			Sent     int
			ExitCode int `json:"exit_code"`
			Error    string
		}
		if err := json.Unmarshal(words, &read); err != nil || len(words) > terminationMax {
			t.Errorf("%d bytes, %v: %.60s…", len(words), err, words)
		}
		if read.Sent != 7 || read.ExitCode != 1 || (read.Error == "") != (text == "") {
			t.Errorf("read %+v", read)
		}
	}
	if words := string(lastWords{nil, 2, "is required"}.text()); words != `{"exit_code":2,"error":"is required"}` {
		t.Errorf("without a summary: %s", words)
	}
}

// lines are the process's output, each of them JSON.
func (p *proc) lines() (all []map[string]any) {
	p.t.Helper()
	for scan := bufio.NewScanner(bytes.NewBufferString(p.output())); scan.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			p.t.Fatalf("%v: %s", err, scan.Text())
		}
		all = append(all, line)
	}
	return all
}
