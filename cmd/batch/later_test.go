package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// accessPoint is an e-invoicing API: it takes a document with a 202, and says by the id
// that it gave what became of it. It rejects R-5, and never decides about R-6.
type accessPoint struct {
	mu       sync.Mutex
	requests map[string]int // by number
	asked    map[string]int
}

func (p *accessPoint) reply(w http.ResponseWriter, a asked, _ int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, isLookUp := strings.CutPrefix(a.uri, "/v1/documents/"); isLookUp {
		number, known := strings.CutPrefix(id, "doc_")
		if !known || p.requests[number] == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		p.asked[number]++
		state := map[string]string{"R-5": "rejected", "R-6": "processing"}[number]
		switch {
		case state != "":
		case p.asked[number] == 1:
			state = "processing"
		default:
			state = "sent"
		}
		w.Header().Set("Retry-After", "1")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": id, "state": state})
		return
	}
	var document struct{ Number, Receiver, Document string }
	if err := json.Unmarshal([]byte(a.body), &document); err != nil || document.Number == "" || document.Document == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.requests[document.Number]++
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"id": "doc_%s", "state": "processing"}`, document.Number)
}

func TestEInvoicingRecipe(t *testing.T) {
	t.Parallel()
	p := &accessPoint{requests: map[string]int{}, asked: map[string]int{}}
	server := newServer(t, p.reply)
	recipe(t, "e-invoicing.md", map[string]string{"https://access-point.example": server.URL}, "LINGER=8s").run()
	for n := 1; n <= 6; n++ {
		number := fmt.Sprintf("R-%d", n)
		if p.requests[number] != 1 || p.asked[number] == 0 {
			t.Errorf("%s: %d requests, %d look-ups, want one request, and look-ups", number, p.requests[number], p.asked[number])
		}
	}
}

// provider creates invoices and sends them; it has no keys.
type provider struct {
	mu      sync.Mutex
	created map[string]int // by reference
	sent    map[string]int
	asked   map[string]int
}

func (p *provider) reply(w http.ResponseWriter, a asked, _ int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path, query, _ := strings.Cut(a.uri, "?")
	reference, isSend := strings.CutSuffix(strings.TrimPrefix(path, "/v1/invoices/inv_"), "/send")
	switch {
	case query != "":
		reference = strings.TrimPrefix(query, "reference=")
		if p.created[reference] == 0 {
			fmt.Fprint(w, `{"data": []}`)
			return
		}
		fmt.Fprintf(w, `{"data": [{"id": "inv_%s"}]}`, reference)
	case isSend:
		p.sent[reference]++
		w.WriteHeader(http.StatusAccepted)
	case a.method == http.MethodGet:
		p.asked[reference]++
		state := "draft"
		if p.sent[reference] > 0 {
			state = "sent"
		}
		fmt.Fprintf(w, `{"state": %q}`, state)
	default:
		var invoice struct{ Reference string }
		if err := json.Unmarshal([]byte(a.body), &invoice); err != nil || invoice.Reference == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.created[invoice.Reference]++
		fmt.Fprintf(w, `{"id": "inv_%s"}`, invoice.Reference)
	}
}

func TestTwoStepsRecipe(t *testing.T) {
	t.Parallel()
	p := &provider{created: map[string]int{}, sent: map[string]int{}, asked: map[string]int{}}
	server := newServer(t, p.reply)
	recipe(t, "two-steps.md", map[string]string{"https://billing.example": server.URL}, "LINGER=8s").run()
	for n := 1; n <= 4; n++ {
		if reference := fmt.Sprintf("T-%d", n); p.created[reference] != 1 || p.sent[reference] != 1 {
			t.Errorf("%s was created %d times and sent %d times, want once each", reference, p.created[reference], p.sent[reference])
		}
	}
}

// bank receives orders at once, and executes or rejects them by the second question. It
// knows an order by its X-Request-ID; its first answer is lost.
type bank struct {
	mu     sync.Mutex
	orders map[string]string // X-Request-ID, by the order's own id
	asked  map[string]int
	lost   bool
}

func (b *bank) reply(w http.ResponseWriter, a asked, _ int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.method == http.MethodGet {
		id := strings.TrimSuffix(strings.TrimPrefix(a.uri, "/v1/payments/sepa-credit-transfers/"), "/status")
		if b.orders[id] == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		status := "ACSP"
		if b.asked[id]++; b.asked[id] > 1 {
			status = map[bool]string{true: "RJCT", false: "ACSC"}[id == "P-3"]
		}
		w.Header().Set("Retry-After", "1")
		fmt.Fprintf(w, `{"transactionStatus": %q}`, status)
		return
	}
	var order struct{ EndToEndIdentification string }
	key := a.header.Get("X-Request-ID")
	if err := json.Unmarshal([]byte(a.body), &order); err != nil || key == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := order.EndToEndIdentification
	if known := b.orders[id]; known != "" && known != key {
		w.WriteHeader(http.StatusConflict)
		return
	}
	b.orders[id] = key
	if !b.lost {
		b.lost = true
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"paymentId": %q, "transactionStatus": "RCVD"}`, id)
}

func TestBankRecipe(t *testing.T) {
	t.Parallel()
	b := &bank{orders: map[string]string{}, asked: map[string]int{}}
	server := newServer(t, b.reply)
	recipe(t, "bank.md", map[string]string{"https://bank.example": server.URL}, "LINGER=8s").run()
	if len(b.orders) != 3 || len(server.asked()) < 4 {
		t.Errorf("%d orders after %d requests and questions, want three", len(b.orders), len(server.asked()))
	}
}
