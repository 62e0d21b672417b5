package main

import (
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// away is a network namespace: another machine, as far as TCP can tell. Its way
// to the database leads over a third one, which can fall silent: then both ends
// believe their connections open, and nothing arrives. Its way to the billing
// API stays.
type away struct {
	t                testing.TB
	name, wire       string
	database, direct string // addresses of the test's own machine, as seen from there
}

// newAway makes a network of the process's and the test's own, 10.X.N.0/24, in
// four parts.
func newAway(t testing.TB, n int) *away {
	t.Helper()
	ip := pgtest.Program(t, "ip", "iproute2")
	if os.Geteuid() != 0 {
		const why = "only root may make a network namespace, in which a link can be cut without either end's knowledge: run the tests as root"
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	id := fmt.Sprintf("%d-%d", os.Getpid()%10000, n)
	net := func(suffix string) string { return fmt.Sprintf("10.%d.%d.%s", 64+os.Getpid()%128, n, suffix) }
	a := &away{
		t: t, name: "bo-run-" + id, wire: "bo-wire-" + id,
		database: net("1"), direct: net("129"),
	}
	link := func(i int) (string, string) { return fmt.Sprintf("bo%s%da", id, i), fmt.Sprintf("bo%s%db", id, i) }
	toWire, fromHost := link(1)
	toRun, fromWire := link(2)
	api, apiRun := link(3)
	t.Cleanup(func() {
		// A namespace outlives its name while its sockets last, and its links with it.
		for _, gone := range []string{"link del " + toWire, "link del " + api, "netns del " + a.name, "netns del " + a.wire} {
			_ = exec.Command(ip, strings.Fields(gone)...).Run()
		}
	})
	for _, command := range []string{
		"netns add " + a.name, "netns add " + a.wire,
		"link add " + toWire + " type veth peer name " + fromHost + " netns " + a.wire,
		"-n " + a.wire + " link add " + toRun + " type veth peer name " + fromWire + " netns " + a.name,
		"link add " + api + " type veth peer name " + apiRun + " netns " + a.name,
		"addr add " + net("1/26") + " dev " + toWire, "link set " + toWire + " up",
		"-n " + a.wire + " addr add " + net("2/26") + " dev " + fromHost, "-n " + a.wire + " link set " + fromHost + " up",
		"-n " + a.wire + " addr add " + net("65/26") + " dev " + toRun, "-n " + a.wire + " link set " + toRun + " up",
		"-n " + a.name + " addr add " + net("66/26") + " dev " + fromWire, "-n " + a.name + " link set " + fromWire + " up",
		"-n " + a.name + " route add " + net("0/26") + " via " + net("65"),
		"route add " + net("64/26") + " via " + net("2"),
		"addr add " + net("129/26") + " dev " + api, "link set " + api + " up",
		"-n " + a.name + " addr add " + net("130/26") + " dev " + apiRun, "-n " + a.name + " link set " + apiRun + " up",
	} {
		if out, err := exec.Command(ip, strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", command, err, out)
		}
	}
	a.forward("1")
	return a
}

// cut lets the wire fall silent.
func (a *away) cut() { a.forward("0") }

func (a *away) forward(value string) {
	a.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", a.wire, "sh", "-c", "echo "+value+" > /proc/sys/net/ipv4/ip_forward").CombinedOutput()
	if err != nil {
		a.t.Fatalf("forward %s: %v\n%s", value, err, out)
	}
}

// book is a book whose server and API can be reached from away, too.
func (a *away) book(invoices int, c billingfake.Config) (b *book, api string) {
	a.t.Helper()
	hba := filepath.Join(openDir(a.t), "hba")
	if err := os.WriteFile(hba, []byte("host all all all scram-sha-256\n"), 0o644); err != nil {
		a.t.Fatal(err)
	}
	server := pgtest.Server(a.t, map[string]string{"listen_addresses": "127.0.0.1," + a.database, "hba_file": hba})
	b = newBookAt(a.t, server.URL("postgres"), invoices, c)
	l, err := net.Listen("tcp", a.direct+":0")
	if err != nil {
		a.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(b.api)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	a.t.Cleanup(s.Close)
	return b, s.URL
}

// sendTo is the API as both machines call it: at another URL a repeat would be another
// request.
func sendTo(api string) string { return "BILLING_URL=" + api + "/v1/invoices/{id}/send" }

// start starts a run on the other machine.
func (a *away) start(b *book, api string, env ...string) *proc {
	a.t.Helper()
	return b.startBy([]string{"ip", "netns", "exec", a.name}, append([]string{
		"DATABASE_URL=" + strings.Replace(b.url, "127.0.0.1", a.database, 1),
		sendTo(api), "BILLING_HEADERS=X-From: away",
	}, env...)...)
}

// from keeps which machine's requests came when.
type from struct {
	mu       sync.Mutex
	away     map[string]time.Time // the last from there, by invoice
	here     map[string]time.Time // the first from here
	lastAway time.Time
	enough   chan struct{} // closed after so many from away
	left     int
}

func newFrom(enough int) *from {
	return &from{away: map[string]time.Time{}, here: map[string]time.Time{}, enough: make(chan struct{}), left: enough}
}

func (f *from) note(r billingfake.Received) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("X-From") != "away" {
		if f.here[r.Invoice].IsZero() {
			f.here[r.Invoice] = time.Now()
		}
		return
	}
	f.away[r.Invoice], f.lastAway = time.Now(), time.Now()
	if f.left--; f.left == 0 {
		close(f.enough)
	}
}

// A runner's link to the database falls silent while its requests go on: it stops
// by itself before the server frees its locks, and only then another one takes
// over what it had. Nothing has two effects.
func TestHalfOpenRunnerStopsBeforeItsLocksAreFreed(t *testing.T) {
	t.Parallel()
	const invoices = 2000
	a := newAway(t, 1)
	seen := newFrom(20)
	b, api := a.book(invoices, billingfake.Config{Idempotent: true, Latency: 300 * time.Millisecond, Before: seen.note})
	// Slow, with intents for more than a minute: only what it knows of its locks
	// can keep it from going on.
	lost := a.start(b, api, "RUN_LOCK=shared", "BILLING_TIMEOUT=3s", "CONCURRENCY=64", "BILLING_RATE=5")
	<-seen.enough
	a.cut()
	b.start(sendTo(api), "RUN_LOCK=shared", "BILLING_TIMEOUT=3s", "CONCURRENCY=200", "LINGER=28s").wantExit(0)
	b.wantStates(fmt.Sprintf("sent/false=%d", invoices))
	wantOneEffectEach(t, b, invoices)
	seen.mu.Lock()
	both := 0
	for id, last := range seen.away {
		if first, again := seen.here[id]; again {
			both++
			if !last.Before(first) {
				t.Errorf("invoice %s: its first runner's request came %s after the second one's", id, last.Sub(first))
			}
		}
	}
	var taken time.Time
	for id, first := range seen.here {
		if _, was := seen.away[id]; was && (taken.IsZero() || first.Before(taken)) {
			taken = first
		}
	}
	t.Logf("%d invoices were taken over, the first %s after the lost runner's last request", both, taken.Sub(seen.lastAway).Round(time.Second))
	if both == 0 || !seen.lastAway.Before(taken) {
		t.Errorf("the lost runner's last request came at %s, the first take-over at %s", seen.lastAway, taken)
	}
	seen.mu.Unlock()
	lost.kill() // it waits for its database, to write down what was answered
}

// A pod vanishes, cable and all, while it holds the run lock: the next run gets
// it when the server's keepalives give up: in BILLING_TIMEOUT and 25 s, for which it waits
// here, not in two hours.
func TestRunLockOfAPodThatVanished(t *testing.T) {
	t.Parallel()
	const invoices = 300
	a := newAway(t, 2)
	seen := newFrom(50)
	b, api := a.book(invoices, billingfake.Config{Idempotent: true, Latency: 300 * time.Millisecond, Before: seen.note})
	vanished := a.start(b, api, "BILLING_TIMEOUT=3s", "CONCURRENCY=8")
	<-seen.enough
	a.cut()
	vanished.kill()
	began := time.Now()
	p := b.start(sendTo(api), "BILLING_TIMEOUT=3s", "CONCURRENCY=200", "RUN_LOCK_WAIT=28s", "LINGER=28s")
	p.wantExit(0)
	t.Logf("the next run had the lock and ended within %s", time.Since(began).Round(time.Second))
	b.wantStates(fmt.Sprintf("sent/false=%d", invoices))
	wantOneEffectEach(t, b, invoices)
}
