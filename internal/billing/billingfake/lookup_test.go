package billingfake

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestLookups(t *testing.T) {
	for name, want := range map[string][2]string{
		"resource":   {"404", `200 {"id":"7","state":"sent"}`},
		"search":     {`200 {"data":[]}`, `200 {"data":[{"id":"ch_7","invoice":"7","state":"sent"}]}`},
		"draft":      {`200 {"id":"7","state":"draft"}`, `200 {"id":"7","state":"sent"}`},
		"always_404": {"404", "404"},
		"always_200": {"200 text/html", "200 text/html"},
	} {
		l, err := ParseLookup(name)
		if err != nil {
			t.Fatal(err)
		}
		a := New(Config{Lookup: l})
		for i, url := range []string{"/v1/invoices/7", "/v1/invoices?invoice=7"} {
			if i == 1 {
				ask(a, "POST", sendPath("7"), "k", "")
			}
			w := ask(a, "GET", url, "", "")
			got := fmt.Sprint(w.Code)
			if html := w.Header().Get("Content-Type"); html == "text/html" {
				got += " " + html
			} else if w.Code == 200 {
				got += " " + w.Body.String()
			}
			if got != want[i] {
				t.Errorf("%s: %s, want %s", name, got, want[i])
			}
		}
	}
}

// A look-up by key answers for that key alone, and not for an earlier effect.
func TestLookupByKey(t *testing.T) {
	a := New(Config{Lookup: LookupSearch})
	ask(a, "POST", sendPath("7"), "k1", "")
	for url, want := range map[string]string{
		"/v1/invoices?idempotency_key=k1":           `{"data":[{"id":"ch_7","invoice":"7","state":"sent"}]}`,
		"/v1/invoices?idempotency_key=made-up":      `{"data":[]}`,
		"/v1/invoices?invoice=7&idempotency_key=k2": `{"data":[]}`,
	} {
		if w := ask(a, "GET", url, "", ""); w.Body.String() != want {
			t.Errorf("%s: %s", url, w.Body)
		}
	}
}

func TestAcceptLater(t *testing.T) {
	for state, traits := range map[string][]Trait{
		"sent":       {AcceptLater{After: 2 * time.Second}},
		"rejected":   {AcceptLater{After: 2 * time.Second}, Reject{Percent: 100}},
		"processing": {AcceptLater{After: 2 * time.Second, NeverPercent: 100}},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := New(Config{Idempotent: true, Traits: traits})
			look := func(want string) {
				if w := ask(a, "GET", "/v1/invoices/7", "", ""); w.Body.String() != fmt.Sprintf(`{"id":"7","state":%q}`, want) {
					t.Errorf("%s, want %s", w.Body, want)
				}
			}
			for range 2 { // the second is a replay
				if w := ask(a, "POST", sendPath("7"), "k", ""); w.Code != http.StatusAccepted {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			look("processing")
			if a.Effects() != 0 {
				t.Error("an effect before its time")
			}
			if err := a.Idle(context.Background()); err != nil {
				t.Error(err)
			}
			look(state)
			if n := a.Counts(); (n.Effects == 1) != (state == "sent") || n.Submitted != 1 || n.Replays != 1 {
				t.Errorf("%s: %+v", state, n)
			}
			if w := ask(a, "POST", sendPath("7"), "k", ""); w.Code != http.StatusAccepted {
				t.Errorf("%s: the repeat at last: %d", state, w.Code)
			}
		})
	}
}

func TestAlreadySent(t *testing.T) {
	a := New(Config{Traits: []Trait{AlreadySent{}}})
	for _, want := range []int{200, 409, 409} {
		if w := ask(a, "POST", sendPath("7"), "", ""); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

func TestRejectInside200(t *testing.T) {
	a := New(Config{Traits: []Trait{Reject{Percent: 5, Status: 200}}})
	rejected := 0
	for n := range 2000 {
		if w := ask(a, "POST", sendPath(fmt.Sprint(n)), "", ""); w.Body.String() == `{"errors":[{"code":"card_declined","message":"the card was declined"}]}` {
			rejected++
		}
	}
	if rejected < 60 || rejected > 140 || a.Effects() != 2000-rejected {
		t.Errorf("%d rejected, %d effects", rejected, a.Effects())
	}
}

// The effect comes once the client is gone, and not before.
func TestHangThenApply(t *testing.T) {
	arrived := make(chan struct{})
	a, url := serve(t, Config{Before: func(Received) { close(arrived) }, Fault: always(HangThenApply{})})
	conn := dial(t, url, rawSend)
	<-arrived
	if a.Effects() != 0 {
		t.Error("an effect while the client waits")
	}
	_ = conn.Close()
	if err := a.Idle(t.Context()); err != nil || a.Effects() != 1 {
		t.Errorf("%d effects, %v", a.Effects(), err)
	}
}
