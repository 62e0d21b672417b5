package engine

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// rememberFor is how long a commit is remembered, at least as long as there is room.
	rememberFor = time.Minute
	// rememberMost is the room in bytes: for a minute of 4,000 invoices a second.
	rememberMost = 44 << 20
	// rememberedSize is what a delivery takes, with its id and what leads to it;
	// unusualSize what one takes besides that was not simply accepted.
	rememberedSize, unusualSize = 160, 768
)

// remembered is a delivery as this run has committed it last. There are many: it is small.
type remembered struct {
	id         billing.InvoiceID
	replyID    string
	unusual    *billing.Settlement // what it came to, where that is more than accepted with an id
	key        uuid.UUID
	run        uuid.UUID // whose attempt it is
	request    [sha256.Size]byte
	first      int32  // of the attempts under its key: seconds from the memory's beginning
	begunAt    uint32 // milliseconds from there
	attempt    int32
	runAttempt int32
	status     int16
	version    int16
	keyUse     int8
	doubtful   bool
	begun      bool // by this run, so that it can be written anew
	settled    bool
}

// state is what the ledger has it as.
func (r *remembered) state() billing.State {
	switch {
	case !r.settled:
		return billing.Sending
	case r.unusual != nil:
		return r.unusual.State
	}
	return billing.Sent
}

// settlement is what it came to, to be settled again.
func (r *remembered) settlement() billing.Settlement {
	if r.unusual != nil {
		return *r.unusual
	}
	s := billing.Settlement{
		InvoiceID: r.id, RunID: r.run, Attempt: int(r.attempt), RunAttempt: int(r.runAttempt), State: billing.Sent,
		Doubtful: r.doubtful, KeyUse: billing.KeyUse(r.keyUse), Status: int(r.status),
	}
	if r.replyID != "" {
		s.Answer = &billing.Answer{ID: r.replyID}
	}
	return s
}

func (r *remembered) size() int {
	size := rememberedSize + len(r.replyID)
	if r.unusual != nil {
		size += unusualSize + len(r.unusual.Reason)
	}
	return size
}

// commit is what one transaction has written.
type commit struct {
	sent, acked time.Time // from before it was sent until it was known to be committed
	begins      bool
	size        int
	of          []*remembered
}

// memory is what this run has committed lately: what a fail-over may have lost. What is
// dropped is the oldest, and only once something is remembered that was committed after
// it: as a fail-over loses the end of what was written and nothing before it, whatever
// stands of what is remembered shows that all that was dropped stands.
type memory struct {
	runID uuid.UUID
	began time.Time

	mu      sync.Mutex
	commits []commit
	size    int
	open    map[billing.InvoiceID]*remembered    // begun and not settled
	unsure  map[billing.InvoiceID]billing.Intent // one of the databases may have it, and no request was sent
	dropped time.Time                            // when the last one that is not remembered any more was committed
}

func newMemory(runID uuid.UUID) *memory {
	return &memory{
		runID: runID, began: time.Now(),
		open: make(map[billing.InvoiceID]*remembered), unsure: make(map[billing.InvoiceID]billing.Intent),
	}
}

// begin takes in the intents that were committed as ours.
func (m *memory) begin(intents []billing.Intent, ours map[billing.InvoiceID]struct{}, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := commit{sent: sent, acked: time.Now(), begins: true, of: make([]*remembered, 0, len(ours))}
	all := make([]remembered, len(intents)) // together: they are gone together, or nearly
	for i := range intents {
		in := &intents[i]
		if _, yes := ours[in.InvoiceID]; !yes {
			continue
		}
		r := &all[len(c.of)]
		*r = m.intent(in, sent)
		m.open[r.id] = r
		delete(m.unsure, r.id)
		c.of = append(c.of, r)
		c.size += r.size()
	}
	m.add(c)
}

func (m *memory) intent(in *billing.Intent, sent time.Time) remembered {
	since := sent.Sub(m.began)
	r := remembered{
		id: in.InvoiceID, run: m.runID, attempt: int32(in.Attempt), runAttempt: int32(in.RunAttempt), version: 1, begun: true,
		begunAt: uint32(since.Milliseconds()), first: int32(since.Seconds()),
	}
	r.key, _ = uuid.Parse(in.Key) // it was made as one
	copy(r.request[:], in.RequestSHA256)
	if seen := in.Seen; seen != nil {
		r.version = int16(seen.KeyVersion)
		r.first = int32((since - seen.KeyAge).Seconds())
		r.doubtful = seen.Doubtful || seen.State == billing.Sending
	}
	return r
}

// end takes in what was settled.
func (m *memory) end(group []billing.Settlement, came []billing.Settled, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := commit{sent: sent, acked: time.Now()}
	for i := range group {
		if came[i] != billing.SettledFully && came[i] != billing.SettledInvoiceGone {
			continue
		}
		s := &group[i]
		r := m.open[s.InvoiceID]
		switch {
		case r == nil || r.run != s.RunID || int(r.attempt) != s.Attempt:
			r = &remembered{id: s.InvoiceID, attempt: int32(s.Attempt)} // another run's, or settled before
			c.size += rememberedSize
		case s.State != billing.Sending:
			delete(m.open, s.InvoiceID)
		}
		before := r.size()
		r.outcome(s)
		c.size += r.size() - before
		c.of = append(c.of, r)
	}
	m.add(c)
}

func (r *remembered) outcome(s *billing.Settlement) {
	r.settled, r.run, r.runAttempt = true, s.RunID, int32(s.RunAttempt)
	r.status, r.keyUse, r.doubtful = int16(s.Status), int8(s.KeyUse), s.Doubtful
	if s.State == billing.Sent && s.Reason == "" && (s.Answer == nil || len(s.Answer.Values) == 0) {
		if s.Answer != nil {
			r.replyID = s.Answer.ID
		}
		return
	}
	whole := *s
	whole.Kept = nil // large, and a repeat can be made from the row
	r.unusual = &whole
}

// add takes in the latest commit, and drops the oldest ones.
func (m *memory) add(c commit) {
	if len(c.of) == 0 {
		return
	}
	m.commits, m.size = append(m.commits, c), m.size+c.size
	n := 0
	for ; n < len(m.commits)-1; n++ {
		oldest := &m.commits[n]
		if !c.sent.After(oldest.acked) || m.size <= rememberMost && c.acked.Sub(oldest.acked) <= rememberFor {
			break
		}
		m.size, m.dropped = m.size-oldest.size, oldest.acked
		*oldest = commit{}
	}
	m.commits = m.commits[n:]
}

// doubt takes in intents of which no request was sent, and that may be committed; but for
// those that are begun: another claim has committed them before.
func (m *memory) doubt(intents []billing.Intent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, in := range intents {
		if r := m.open[in.InvoiceID]; r == nil || int(r.attempt) != in.Attempt {
			m.unsure[in.InvoiceID] = in
		}
	}
}

// doubted returns what doubt has taken in and nobody has begun since.
func (m *memory) doubted() []billing.Intent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.unsure))
}

// witness is what is remembered of a delivery, and what it shows to stand where the ledger
// has it so: all that was committed before.
type witness struct {
	*remembered
	intent, outcome time.Time // before which; zero: nothing
}

// all is what is remembered, once each, in the order in which it was first committed.
func (m *memory) all() []witness {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []witness
	at := make(map[*remembered]int)
	for _, c := range m.commits {
		for _, r := range c.of {
			n, met := at[r]
			if !met {
				n = len(all)
				at[r], all = n, append(all, witness{remembered: r})
			}
			if c.begins {
				all[n].intent = c.sent
			} else {
				all[n].outcome = c.sent
			}
		}
	}
	return all
}

// complete says whether all that was dropped stands, where all that was committed before
// a moment does.
func (m *memory) complete(shown time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !shown.Before(m.dropped)
}

// again takes it that all that is remembered was committed anew since a moment.
func (m *memory) again(all []witness, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	begun, ended := commit{sent: since, acked: time.Now(), begins: true}, commit{sent: since, acked: time.Now()}
	for _, w := range all {
		c := &begun
		if w.settled {
			c = &ended
		}
		c.of, c.size = append(c.of, w.remembered), c.size+w.size()
	}
	m.commits, m.size = nil, 0
	m.add(begun)
	m.add(ended)
}
