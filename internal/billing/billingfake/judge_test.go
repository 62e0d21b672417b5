package billingfake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecord(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := New(Config{KeepBodies: true, Now: func() time.Time { return now }})
	ask(a, "POST", sendPath("7"), "k1", "{}")
	ask(a, "POST", sendPath("7"), "k1", "{}")
	now = now.Add(time.Second)
	ask(a, "PUT", sendPath("7"), "k2", "")
	ask(a, "GET", "/v1/invoices/7", "", "")
	want := Record{
		Invoice: "7", Requests: 3, Effects: 3, Lookups: 1, Keys: []string{"k1", "k2"},
		PerKey: []KeyRecord{{"k1", 2, 2}, {"k2", 1, 1}},
		Bodies: []string{
			"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		},
		Kept:  [][]byte{[]byte("{}"), []byte("{}"), {}},
		First: now.Add(-time.Second), Last: now,
	}
	if diff := cmp.Diff(want, a.Invoice("7")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Record{want}, a.Duplicates()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Record{Invoice: "8", PerKey: []KeyRecord{}, Keys: []string{}, Bodies: []string{}}, a.Invoice("8")); diff != "" {
		t.Error(diff)
	}
}

func TestLookup(t *testing.T) {
	a := New(Config{})
	if w := ask(a, "GET", "/v1/invoices/7", "", ""); w.Code != 404 {
		t.Errorf("before: %d %s", w.Code, w.Body)
	}
	ask(a, "POST", sendPath("7"), "", "")
	if w := ask(a, "GET", "/v1/invoices/7", "", ""); w.Code != 200 || w.Body.String() != `{"id":"7","state":"sent"}` {
		t.Errorf("after: %d %s", w.Code, w.Body)
	}
	if c := a.Counts(); c.Lookups != 2 || c.Requests != 1 {
		t.Errorf("%+v", c)
	}
}

func TestWhereTheInvoiceIs(t *testing.T) {
	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "/v1/invoices/7/send", "", "7"},
		{"GET", "/v1/invoices/7/send", "", "7"},
		{"PUT", "/api/invoices/7", "", "7"},
		{"POST", "/v1/invoices/a%2Fb%20%22c/send", "", `a/b "c`},
		{"POST", "/v1/invoices/%C3%A4/send", "", "ä"},
		{"POST", "/charge?invoice=7", "", "7"},
		{"POST", "/charge?id=7", "", "7"},
		{"POST", "/charges", `{"id": 9007199254740993}`, "9007199254740993"},
		{"POST", "/charges", `{"id": 1, "invoice": "in_7"}`, "in_7"},
		{"POST", "/charges", `{"amount": 1}`, ""},
		{"POST", "/charges", `nothing`, ""},
		{"POST", "/v1/invoices//send", "", ""},
	} {
		a := New(Config{})
		w := ask(a, test.method, test.path, "", test.body)
		if test.want == "" {
			if c := a.Counts(); w.Code != 404 || c.Unrouted != 1 || c.Requests != 0 {
				t.Errorf("%s %s: %d, %+v", test.method, test.path, w.Code, c)
			}
			continue
		}
		var got struct{ ID, Invoice string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Invoice != test.want || got.ID != "ch_"+test.want {
			t.Errorf("%s %s: %s, %v", test.method, test.path, w.Body, err)
		}
		if r := a.Invoice(test.want); r.Effects != 1 {
			t.Errorf("%s %s: %+v", test.method, test.path, a.Invoices())
		}
	}
}

func TestReceived(t *testing.T) {
	var got []Received
	now := time.Unix(1, 0)
	note := func(r Received) { got = append(got, r) }
	a := New(Config{
		Now:    func() time.Time { return now },
		Before: note,
		Fault: func(r Received) Fault {
			note(r)
			return nil
		},
	})
	ask(a, "POST", sendPath("a%2Fb"), "k", "{}")
	ask(a, "POST", sendPath("a%2Fb"), "k", "{}")
	first := Received{
		Invoice: "a/b", Key: "k", Attempt: 1, Method: "POST", Path: "/v1/invoices/a/b/send",
		Header: http.Header{"Idempotency-Key": {"k"}}, Body: []byte("{}"), At: now,
	}
	second := first
	second.Attempt = 2
	if diff := cmp.Diff([]Received{first, first, second, second}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLedgerOverHTTP(t *testing.T) {
	a := New(Config{Fault: func(r Received) Fault {
		if r.Invoice == "8" {
			return ReplyStatus{Status: 503}
		}
		return nil
	}})
	for _, id := range []string{"7", "7", "8", "9"} {
		ask(a, "POST", sendPath(id), "", "")
	}
	want := Summary{
		Counts: Counts{Requests: 4, Effects: 3, MaxInFlight: 1}, Invoices: 3, Billed: 2,
		Duplicates: []Duplicate{{"7", 2}}, Faults: map[string]int{"reply_503": 1},
	}
	for _, path := range []string{"/ledger", "/ledger/"} {
		var got Summary
		if err := json.Unmarshal(ask(a, "GET", path, "", "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	var record Record
	if err := json.Unmarshal(ask(a, "GET", "/ledger/7", "", "").Body.Bytes(), &record); err != nil || record.Effects != 2 {
		t.Errorf("%+v, %v", record, err)
	}
	if w := ask(a, "POST", "/ledger", "", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /ledger: %d", w.Code)
	}
	if w := ask(a, "POST", "/ledger/reset", "", ""); !strings.Contains(w.Body.String(), `"requests":0,"effects":0`) {
		t.Errorf("reset: %s", w.Body)
	}
	if len(a.Invoices()) != 0 || a.Requests() != 0 {
		t.Errorf("%+v", a.Summary())
	}
}

// A reset forgets keys too, and the effect of a request that was in flight is
// not lost.
func TestResetWithRequestInFlight(t *testing.T) {
	a := New(Config{Idempotent: true, Latency: time.Hour})
	done := make(chan struct{})
	started := make(chan struct{})
	a.config.Before = func(Received) { close(started) }
	go func() {
		defer close(done)
		ask(a, "POST", sendPath("7"), "k", "")
	}()
	<-started
	a.Reset()
	if a.MaxInFlight() != 1 {
		t.Errorf("in flight: %d", a.MaxInFlight())
	}
	a.Close()
	<-done
	if r := a.Invoice("7"); r.Effects != 1 || r.Requests != 0 {
		t.Errorf("%+v", r)
	}
	if err := a.Idle(t.Context()); err != nil {
		t.Error(err)
	}
}

// A client that makes its next request as soon as it has a reply never seems
// to have two in flight, whatever fault ended the first.
func TestMaxInFlightOfOneClient(t *testing.T) {
	faults := append(simpleFaults(), nil, Redirect{}, ReplyStatus{Status: 500})
	a, url := serve(t, Config{Fault: func(r Received) Fault {
		switch f := faults[r.Attempt%len(faults)].(type) {
		case ApplyThenHang, HangThenApply:
			return nil
		case SlowDrip:
			return SlowDrip{Every: time.Nanosecond}
		default:
			return f
		}
	}})
	for range 10 * len(faults) {
		conn := dial(t, url, rawSend)
		_, _ = readReply(conn) // fails with most of the faults
		_ = conn.Close()
	}
	if a.MaxInFlight() != 1 || a.Invoice("7").Overlaps != 0 {
		t.Errorf("%+v", a.Counts())
	}
}

func TestIdle(t *testing.T) {
	arrived := make(chan struct{})
	a := New(Config{Latency: time.Hour, Before: func(Received) { close(arrived) }})
	if err := a.Idle(t.Context()); err != nil {
		t.Error(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(a, "POST", sendPath("7"), "", "")
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Idle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Idle: %v", err)
	}
	a.Close()
	<-done
}

// A body in chunks has no length to know beforehand.
func TestChunkedBody(t *testing.T) {
	a, url := serve(t, Config{KeepBodies: true})
	head, _, _ := strings.Cut(rawSend, "Content-Length")
	if got, err := readReply(dial(t, url, head+"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")); err != nil || got.status != http.StatusOK {
		t.Errorf("%+v, %v", got, err)
	}
	if kept := a.Invoice("7").Kept; len(kept) != 1 || string(kept[0]) != "{}" {
		t.Errorf("%q", kept)
	}
}

// A request of which only a part arrives is none: no real API acts on it.
func TestBrokenOffRequest(t *testing.T) {
	a, url := serve(t, Config{})
	conn := dial(t, url, strings.Replace(rawSend, "Content-Length: 2", "Content-Length: 3", 1))
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := readReply(conn); err != nil || got.status != http.StatusBadRequest {
		t.Errorf("%+v, %v", got, err)
	}
	if c := a.Counts(); c.Incomplete != 1 || c.Requests != 0 || c.Effects != 0 {
		t.Errorf("%+v", c)
	}
}

func TestTooLargeBody(t *testing.T) {
	a := New(Config{})
	for _, length := range []int64{-1, maxBody + 1} {
		r := httptest.NewRequest("POST", sendPath("7"), io.LimitReader(zeros{}, maxBody+1))
		r.ContentLength = length
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || a.Requests() != 0 {
			t.Errorf("length %d: %d, %+v", length, w.Code, a.Counts())
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
