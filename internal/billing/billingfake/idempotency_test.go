package billingfake

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestReplay(t *testing.T) {
	a := New(Config{Idempotent: true})
	first := ask(a, "POST", sendPath("7"), "k", "{}")
	again := ask(a, "POST", sendPath("7"), "k", "{}")
	if first.Code != 200 || again.Code != 200 || first.Body.String() != again.Body.String() {
		t.Errorf("%d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if first.Header().Get("Idempotent-Replayed") != "" || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("%v, then %v", first.Header(), again.Header())
	}
	if r := a.Invoice("7"); r.Effects != 1 || r.Requests != 2 || r.Replays != 1 {
		t.Errorf("%+v", r)
	}
}

func TestKeyBelongsToOneRequest(t *testing.T) {
	a := New(Config{Idempotent: true})
	ask(a, "POST", sendPath("7"), "k", "{}")
	if w := ask(a, "POST", sendPath("7"), "k", "{ }"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d", w.Code)
	}
	if w := ask(a, "POST", sendPath("8"), "k", "{}"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("another invoice: %d", w.Code)
	}
	if c := a.Counts(); c.Effects != 1 || c.Mismatches != 2 || c.Replays != 0 {
		t.Errorf("%+v", c)
	}
}

func TestKeyIsForgotten(t *testing.T) {
	now := time.Now()
	a := New(Config{Idempotent: true, KeyTTL: time.Hour, Now: func() time.Time { return now }})
	for _, step := range []struct {
		after   time.Duration
		effects int
	}{{0, 1}, {time.Hour - 1, 1}, {1, 2}, {time.Hour - 1, 2}, {1, 3}} {
		now = now.Add(step.after)
		ask(a, "POST", sendPath("7"), "k", "{}")
		if a.Effects() != step.effects {
			t.Errorf("after another %s: %d effects", step.after, a.Effects())
		}
	}
}

// What lies under the key after the effect, whatever the client was told.
func TestStoredReply(t *testing.T) {
	for fault, want := range map[Fault]int{
		ApplyThen500{}:                           200,
		ApplyThen500{Stored: true}:               500,
		ReplyStatus{Status: 500}:                 200, // had no effect: the repeat is the first
		ReplyStatus{Status: http.StatusConflict}: 200,
	} {
		a := New(Config{Idempotent: true, Fault: func(r Received) Fault {
			if r.Attempt == 1 {
				return fault
			}
			return nil
		}})
		ask(a, "POST", sendPath("7"), "k", "{}")
		if w := ask(a, "POST", sendPath("7"), "k", "{}"); w.Code != want || a.Effects() != 1 {
			t.Errorf("%s, then %d with %d effects", fault, w.Code, a.Effects())
		}
	}
}

// Of two requests with one key, the second gets 409 while the first is at work.
func TestKeyInProgress(t *testing.T) {
	a, url := serve(t, Config{Idempotent: true, Latency: time.Hour})
	c := client(t)
	codes := make(chan int)
	for range 2 {
		go func() { codes <- post(c, url+sendPath("7"), "k", "{}") }()
	}
	if got := <-codes; got != http.StatusConflict {
		t.Errorf("the second got %d", got)
	}
	if a.Effects() != 0 {
		t.Error("an effect before its time")
	}
	a.Close()
	if got := <-codes; got != http.StatusOK {
		t.Errorf("the first got %d", got)
	}
	if counts := a.Counts(); counts.Effects != 1 || counts.Conflicts != 1 || a.Invoice("7").Overlaps != 1 {
		t.Errorf("%+v", counts)
	}
}

func TestConcurrentRepeatsHaveOneEffect(t *testing.T) {
	const invoices, repeats = 20, 8
	a, url := serve(t, Config{Idempotent: true, Latency: time.Microsecond})
	c := client(t)
	var all sync.WaitGroup
	for n := range invoices * repeats {
		all.Go(func() {
			id := fmt.Sprint(n % invoices)
			if code := post(c, url+sendPath(id), "key-"+id, "{}"); code != http.StatusOK && code != http.StatusConflict {
				t.Errorf("invoice %s: %d", id, code)
			}
		})
	}
	all.Wait()
	counts := a.Counts()
	if counts.Effects != invoices || counts.Requests != invoices*repeats || counts.Effects+counts.Replays+counts.Conflicts != counts.Requests {
		t.Errorf("%+v", counts)
	}
	if len(a.Duplicates()) != 0 {
		t.Errorf("%+v", a.Duplicates())
	}
}

func post(c *http.Client, url, key, body string) int {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Idempotency-Key", key)
	resp, err := c.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// The effect comes at the end of the latency, though the client has left.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Latency: time.Minute})
		began := time.Now()
		go ask(a, "POST", sendPath("7"), "", "")
		time.Sleep(time.Minute - 1) // in a bubble: the clock is synctest's, nothing waits
		synctest.Wait()
		if w := ask(a, "GET", "/v1/invoices/7", "", ""); w.Code != http.StatusNotFound {
			t.Errorf("found before its time: %d", w.Code)
		}
		if err := a.Idle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Minute || a.Effects() != 1 {
			t.Errorf("%d effects after %s", a.Effects(), took)
		}
	})
}

func TestEffectThoughClientLeft(t *testing.T) {
	arrived := make(chan struct{})
	a, url := serve(t, Config{Latency: time.Hour, Before: func(Received) { close(arrived) }})
	conn := dial(t, url, rawSend)
	<-arrived
	_ = conn.Close()
	a.Close()
	if err := a.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

// Any sequence of requests has the effects that a simple model of the API has.
func TestEffectsOfAnySequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ttl = 10 * time.Minute
		type stored struct {
			invoice, body string
			at            time.Time
		}
		now := time.Unix(1_700_000_000, 0)
		idempotent := rapid.Bool().Draw(t, "idempotent")
		var fault Fault
		a := New(Config{
			Idempotent: idempotent, KeyTTL: ttl,
			Fault: func(Received) Fault { return fault },
			Now:   func() time.Time { return now },
		})
		keys := map[string]stored{}
		effects := map[string]int{}
		applied, first := 0, 0
		requests := rapid.IntRange(1, 60).Draw(t, "requests")
		for range requests {
			now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "minutes")) * time.Minute)
			invoice := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "invoice")
			key := rapid.SampledFrom([]string{"", "k1", "k2", "k3"}).Draw(t, "key")
			body := rapid.SampledFrom([]string{"", "{}", `{"a":1}`}).Draw(t, "body")
			fault = rapid.SampledFrom([]Fault{nil, nil, ApplyThen500{}, ReplyStatus{Status: 503}, OKWithError{}}).Draw(t, "fault")

			want := http.StatusOK
			replayed := false
			if applies := fault == nil || fault == Fault(ApplyThen500{}); applies {
				applied++
				k, known := keys[key]
				known = known && now.Sub(k.at) < ttl
				switch {
				case !idempotent || key == "":
					effects[invoice]++
				case !known:
					keys[key] = stored{invoice, body, now}
					effects[invoice]++
					first++
				case k.invoice != invoice || k.body != body:
					want = http.StatusUnprocessableEntity
				default:
					replayed = true
				}
			}
			switch fault.(type) {
			case ApplyThen500:
				want, replayed = http.StatusInternalServerError, false
			case ReplyStatus:
				want = http.StatusServiceUnavailable
			}
			w := ask(a, "POST", sendPath(invoice), key, body)
			if w.Code != want || (w.Header().Get("Idempotent-Replayed") == "true") != replayed {
				t.Fatalf("got %d %v, want %d, replayed %t", w.Code, w.Header(), want, replayed)
			}
		}
		total := 0
		for invoice, n := range effects {
			total += n
			if r := a.Invoice(invoice); r.Effects != n {
				t.Fatalf("invoice %s: %d effects, want %d", invoice, r.Effects, n)
			}
		}
		if !idempotent && total != applied {
			t.Fatalf("model: %d effects of %d requests applied", total, applied)
		}
		if c := a.Counts(); c.Effects != total || c.Requests != requests {
			t.Fatalf("%+v, want %d effects of %d requests", c, total, requests)
		}
	})
}

// With keys that are never forgotten, effects are as many as keys.
func TestEffectsAreDistinctKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := New(Config{Idempotent: true})
		seen := map[string]bool{}
		for _, id := range rapid.SliceOf(rapid.StringMatching(`[0-9]{1,2}`)).Draw(t, "invoices") {
			seen[id] = true
			ask(a, "POST", sendPath(id), "key-"+id, id)
		}
		if a.Effects() != len(seen) || len(a.Duplicates()) != 0 || a.Summary().Billed != len(seen) {
			t.Fatalf("%+v for %d keys", a.Summary(), len(seen))
		}
	})
}
