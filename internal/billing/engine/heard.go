package engine

import (
	"sync"
	"sync/atomic"

	"github.com/billonce/billonce/internal/billing"
)

// heard counts what the API has said in this run.
type heard struct {
	wantsID  bool         // BILLING_REPLY_ID: only a reply that has one is a good one
	decided  atomic.Int64 // replies, but for throttled ones
	accepted atomic.Int64 // of those, the good ones

	once  sync.Once
	first chan struct{} // closed as the first one was accepted
}

func newHeard(wantsID bool) *heard { return &heard{wantsID: wantsID, first: make(chan struct{})} }

func (h *heard) heed(reply billing.Reply) {
	if reply.Outcome == billing.Throttled {
		return
	}
	if reply.Outcome.IsGood() && (!h.wantsID || reply.Answer != nil && reply.Answer.ID != "") {
		h.accepted.Add(1)
		h.once.Do(func() { close(h.first) })
	}
	h.decided.Add(1)
}
