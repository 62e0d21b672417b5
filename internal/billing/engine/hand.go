package engine

import (
	"sync"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// inHandMost bounds the bytes of all requests that are made and not yet sent, however
	// wide a row is. One that is wider is in hand alone, or nearly.
	inHandMost = 8 * billing.LookMost
	// firstLook is how many invoices are looked at while it is not known how wide they are.
	firstLook = 64
)

// hand is what a run has in hand, in bytes: requests, from the second look until they are
// sent.
type hand struct {
	mu   sync.Mutex
	room sync.Cond
	free int // bytes; below 0 where rows are wider than was reckoned with
	fits int // invoices that one look may read, by what the last ones held
}

func newHand(most int) *hand {
	h := &hand{free: inHandMost, fits: min(most, firstLook)}
	h.room.L = &h.mu
	return h
}

// takeLook waits until a look's bytes have room, and takes it.
func (h *hand) takeLook() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.free < billing.LookMost {
		h.room.Wait()
	}
	h.free -= billing.LookMost
}

// give gives bytes back; below 0: takes them.
func (h *hand) give(bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free += bytes
	if h.free >= billing.LookMost {
		h.room.Broadcast()
	}
}

// most is how many invoices the next look may be for.
func (h *hand) most() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fits
}

// note takes in how many invoices of a look were read, of those that it was for.
func (h *hand) note(read, of, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case read < of:
		h.fits = max(1, read)
	case of >= h.fits:
		h.fits = min(most, 2*h.fits)
	}
}

// size is what a request keeps in memory, in bytes.
func size(r billing.Request) int {
	n := len(r.Body) + len(r.URL) + len(r.LookupURL)
	for _, h := range r.Headers {
		n += len(h.Value)
	}
	return n
}
