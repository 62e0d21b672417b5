package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/notify"
)

// hears is a server for NOTIFY_URL and PING_URL.
type hears struct {
	url    string
	status atomic.Int32
	mu     sync.Mutex
	got    []string
}

func newHears(t *testing.T) *hears {
	t.Helper()
	r := &hears{}
	r.status.Store(http.StatusOK)
	r.url = newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, a.uri+" "+a.body)
		w.WriteHeader(int(r.status.Load()))
	}).URL
	return r
}

// take is what came since it was asked last.
func (r *hears) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := strings.Join(r.got, "\n")
	r.got = nil
	return got
}

// People are told of what is open once, and again of what is new; of a refused run; and
// once nothing is open any more. What was not taken is told by the next run.
func TestNotifyTellsOfNewsAlone(t *testing.T) {
	t.Parallel()
	r := newHears(t)
	var refuse atomic.Bool
	refuse.Store(true)
	b := newBook(t, 2, billingfake.Config{Fault: func(billingfake.Received) billingfake.Fault {
		if refuse.Load() {
			return billingfake.ReplyStatus{Status: 400}
		}
		return nil
	}})
	b.execute("update invoices set pending = false, sent_at = now() where id = 2")
	env := []string{"NOTIFY_URL=" + r.url + "/n", `NOTIFY_BODY={{.event}} {{.open}} {{.failed}}`}
	runs := func(code int, want string, more ...string) {
		t.Helper()
		p := b.start(append(env, more...)...)
		p.wantExit(code)
		if got := r.take(); got != want {
			t.Errorf("told %q, want %q\n%s", got, want, p.output())
		}
	}
	r.status.Store(http.StatusBadGateway)
	runs(billing.ExitPerson, "/n open 1 1")
	r.status.Store(http.StatusOK)
	runs(billing.ExitPerson, "/n open 1 1")
	runs(billing.ExitPerson, "")
	b.execute("update invoices set pending = true, sent_at = null where id = 2")
	runs(billing.ExitPerson, "/n open 2 2")
	runs(billing.ExitPerson, "")
	b.execute("update invoices set pending = false")
	runs(billing.ExitDone, "/n nothing_open 0 0")
	runs(billing.ExitDone, "")
	if query[bool](b, "select told_at is null from billonce.ledger") {
		t.Error("told_at is empty")
	}
}

// The dead man's switch hears of the start, and of the end as the exit code has it; of a
// run that did nothing, or was stopped, it hears nothing.
func TestPingsAreTheExitCode(t *testing.T) {
	t.Parallel()
	r := newHears(t)
	b := newBook(t, 3, billingfake.Config{Fault: func(got billingfake.Received) billingfake.Fault {
		if strings.HasSuffix(got.Path, "/3/send") {
			return billingfake.ReplyStatus{Status: 400}
		}
		return nil
	}})
	runs := func(code int, want []string, env ...string) {
		t.Helper()
		p := b.start(append(env, "PING_URL="+r.url+"/p?x=1")...)
		p.wantExit(code)
		var got []string
		for line := range strings.Lines(r.take()) {
			uri, _, _ := strings.Cut(line, " ")
			got = append(got, uri)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("exit %d: %v, want %v\n%s", code, got, want, p.output())
		}
	}
	runs(billing.ExitUsage, []string{"/p/fail?x=1"}, "CONCURRENCY=many")
	runs(billing.ExitError, []string{"/p/fail?x=1"}, "DATABASE_URL=postgres://127.0.0.1:1/x")
	b.command("pause", "--reason", "x")
	runs(billing.ExitDone, nil)
	b.command("resume")
	runs(billing.ExitStopped, []string{"/p/start?x=1"}, "RUN_DEADLINE=1ms")
	runs(billing.ExitPerson, []string{"/p/start?x=1", "/p/fail?x=1"})
	b.execute("update invoices set pending = false")
	runs(billing.ExitDone, []string{"/p/start?x=1", "/p?x=1"})
}

// A run that is refused tells both; so does none that was told to stop.
func TestARefusedRunIsTold(t *testing.T) {
	t.Parallel()
	r := newHears(t)
	tell, faults := notify.Parse(notify.Settings{NotifyURL: r.url + "/n", NotifyBody: "{{.event}} {{.exit_code}}", PingURL: r.url + "/p"})
	if faults != nil {
		t.Fatal(faults)
	}
	e := &execution{config: settings{tell: tell}, teller: notify.New(tell)}
	for code, want := range map[int][]string{
		billing.ExitRefused: {"/n refused 5", `/p/fail {"exit_code":5}`},
		billing.ExitError:   {`/p/fail {"exit_code":1}`},
		billing.ExitStopped: nil,
	} {
		e.tellOfNoRun(t.Context(), code)
		got := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(r.take(), " ", "_"), "\n", " "))
		slices.Sort(got)
		if joined := strings.ReplaceAll(strings.Join(want, " "), " ", "_"); strings.Join(got, "_") != joined {
			t.Errorf("exit %d: %q, want %q", code, got, want)
		}
	}
}
