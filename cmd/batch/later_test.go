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
