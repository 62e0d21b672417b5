package engine

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	sentSample = 100 // sent invoices for each that a debug log shows
	// namedAtMost bounds the ids that one warning names.
	namedAtMost = 20
	// linesAtMost is how many lines one kind of trouble gets; then its count follows at the end.
	linesAtMost = 5
)

// told counts the lines of each kind of trouble: each invoice's own stands in the ledger.
type told struct {
	mu     sync.Mutex
	counts map[string]int64
}

// more counts one of a kind, and says whether it still gets a line.
func (t *told) more(kind string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]int64)
	}
	t.counts[kind]++
	return t.counts[kind] <= linesAtMost
}

// say logs one of a kind: the first few at the level, the others at debug.
func (t *troubles) say(log *zerolog.Logger, level zerolog.Level, kind string) {
	if !t.told.more(kind) {
		level = zerolog.DebugLevel
	}
	log.WithLevel(level).Msg(kind)
}

// totals says how many there were of each kind that has lost lines.
func (t *troubles) totals() {
	t.told.mu.Lock()
	defer t.told.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(t.told.counts)) {
		if n := t.told.counts[kind]; n > linesAtMost {
			t.log.Warn().Str("event", "trouble_count").Int64("count", n).Str("trouble", kind).
				Msg("as often in this run; each is in the ledger (`batch status --open`, `batch history ID`), and in the log at LOG_LEVEL=debug")
		}
	}
}

// troubles counts what became of invoices, and logs what is unusual.
type troubles struct {
	tally   *billing.Tally
	runID   uuid.UUID
	log     zerolog.Logger
	sentLog zerolog.Logger // of what is as usual: one in many
	retried kinds          // why attempts were not the last
	warned  sync.Map       // of what is probably wrong with requests
	oddMet  atomic.Uint32  // what of accepted replies was odd, of billing.Odd
	told    told
}

func newTroubles(runID uuid.UUID, tally *billing.Tally, log zerolog.Logger) *troubles {
	return &troubles{tally: tally, runID: runID, log: log, sentLog: log.Sample(&zerolog.BasicSampler{N: sentSample})}
}

// kinds are the HTTP statuses that were met; 0: no reply.
type kinds struct {
	mu  sync.Mutex
	met map[int]struct{}
}

// first says whether a status is met for the first time.
func (k *kinds) first(status int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.met[status]; known {
		return false
	}
	if k.met == nil {
		k.met = make(map[int]struct{})
	}
	k.met[status] = struct{}{}
	return true
}

func (t *troubles) earlier(e billing.Earlier) {
	if e.Failed+e.InDoubt+e.Cancelled > 0 {
		t.log.Warn().Int("failed", e.Failed).Int("in_doubt", e.InDoubt).Int("cancelled", e.Cancelled).
			Msg("skipped pending invoices that need a decision, or that somebody cancelled; see `batch status --open`")
	}
	if e.Sent > 0 {
		t.log.Warn().Int("already_sent", e.Sent).Interface("invoice_ids", e.SentIDs[:min(len(e.SentIDs), namedAtMost)]).
			Msg("invoices are pending again though they were sent: not sent twice")
	}
}

func (t *troubles) unrendered(id billing.InvoiceID, err error) {
	log := t.log.With().Err(err).Str("invoice_id", string(id)).Logger()
	t.say(&log, zerolog.WarnLevel, "can't build the request for this invoice: set aside, and left pending")
}

// recalled: the row makes another request now than the one that may have had its effect.
func (t *troubles) recalled(id billing.InvoiceID) {
	log := t.log.With().Str("invoice_id", string(id)).Logger()
	t.say(&log, zerolog.WarnLevel, "the invoice has changed since its request was sent: that request is repeated, or asked about, as it was")
}

// prepared warns of what is probably wrong with a request, once for each kind.
func (t *troubles) prepared(r billing.Request) {
	if r.Warning == "" {
		return
	}
	if _, told := t.warned.LoadOrStore(r.Warning, nil); !told {
		t.log.Warn().Str("invoice_id", string(r.InvoiceID)).Msg(r.Warning)
	}
}

// fenced: the fence held, another run is at it, whatever the locks say.
func (t *troubles) fenced(id billing.InvoiceID) {
	log := t.log.With().Str("invoice_id", string(id)).Logger()
	t.say(&log, zerolog.WarnLevel, "another run has this invoice's delivery: left to it")
}

// begun counts an intent that was committed.
func (t *troubles) begun(i billing.Intent) {
	switch seen := i.Seen; {
	case seen == nil:
	case seen.State == billing.Retry && seen.RunID == t.runID:
		t.tally.Retry.Add(-1)
	case seen.State == billing.Sending:
		t.tally.Recovered.Add(1)
		log := t.log.With().Str("invoice_id", string(i.InvoiceID)).Int("attempt", i.Attempt).Logger()
		t.say(&log, zerolog.InfoLevel, "recovered: its sender is gone; sending again under the same key")
	}
}

// odd warns of an accepted reply that is not what was expected: once of each kind.
func (t *troubles) odd(id billing.InvoiceID, odd billing.Odd) {
	if odd == 0 {
		return
	}
	news := odd &^ billing.Odd(t.oddMet.Or(uint32(odd)))
	log := t.log.With().Str("event", "odd_reply").Str("invoice_id", string(id)).Logger()
	if news&billing.OddHTML != 0 {
		log.Warn().Msg("a reply that counts as accepted is an HTML page where JSON was asked for: a gateway or a log-in may have answered, and nothing was billed. " +
			"Look at this invoice in the API's books, and say in BILLING_OUTCOMES what an accepted reply holds")
	}
	if news&billing.OddWithoutID != 0 {
		log.Warn().Msg("a reply that counts as accepted lacks the id that BILLING_REPLY_ID names: something else may have answered, and nothing was billed. " +
			"Look at this invoice in the API's books, and at BILLING_REPLY_ID")
	}
}

// settled counts and reports what came of settlements.
func (t *troubles) settled(group []billing.Settlement, came []billing.Settled) {
	for i, s := range group {
		if came[i] == billing.SettledFully && s.State == billing.Sent {
			t.tally.Sent.Add(1)
			t.sentLog.Debug().Str("invoice_id", string(s.InvoiceID)).Int("attempt", s.Attempt).Int("http_status", s.Status).Msg("sent")
			continue
		}
		t.unusual(s, came[i])
	}
}

func (t *troubles) unusual(s billing.Settlement, came billing.Settled) {
	with := t.log.With().Str("invoice_id", string(s.InvoiceID)).Int("attempt", s.Attempt).Str("reason", s.Reason)
	if s.Status != 0 { // no reply came
		with = with.Int("http_status", s.Status)
	}
	log := with.Logger()
	switch came {
	case billing.SettledByAnother:
		t.tally.TakenOver.Add(1)
		log = log.With().Str("state", string(s.State)).Logger()
		t.say(&log, zerolog.WarnLevel, "another run, or a person, has decided about this delivery meanwhile: its record stands")
		return
	case billing.NotSettled:
		t.tally.NotSettled.Add(1)
		log = log.With().Str("state", string(s.State)).Logger()
		t.say(&log, zerolog.ErrorLevel, "the database refuses to settle this delivery")
		return
	case billing.SettledInvoiceGone:
		t.tally.InvoiceGone.Add(1)
		t.say(&log, zerolog.WarnLevel, "sent, but the invoice was deleted or taken back meanwhile: only the ledger is settled")
	case billing.SettledFully:
	}
	switch s.State {
	case billing.Sent:
		t.tally.Sent.Add(1)
	case billing.Unmarked:
		t.tally.Unmarked.Add(1)
		t.say(&log, zerolog.WarnLevel, "accepted, and can't be marked sent yet: no run sends it again, and each marks it as soon as it can")
	case billing.Failed:
		t.tally.Failed.Add(1)
		t.say(&log, zerolog.WarnLevel, "failed: the API refused it")
	case billing.InDoubt:
		t.tally.InDoubt.Add(1)
		t.say(&log, zerolog.WarnLevel, "in doubt: it is not known whether the API acted; see `batch status --in-doubt`")
	case billing.Retry:
		if s.RunID == t.runID { // another's, given back by a look-up, is not this run's to count down
			t.tally.Retry.Add(1)
		}
		if s.Final {
			t.say(&log, zerolog.WarnLevel, "not sent: BILLING_MAX_ATTEMPTS of this run are used up; the next run tries it again")
			return
		}
		// The first of a kind is news: else an API that is away would be found out
		// only once all attempts are used up.
		if s.Reason != "" && t.retried.first(s.Status) {
			log.Warn().Str("retry_in", s.RetryIn.String()).Msg("to be tried again; more of the kind at LOG_LEVEL=debug")
			return
		}
		log.Debug().Str("retry_in", s.RetryIn.String()).Msg("to be tried again")
	case billing.SubmittedState:
		log.Debug().Str("ask_in", s.RetryIn.String()).Msg("submitted: the API has taken it, and is asked later what became of it")
	case billing.Sending:
		t.tally.LeftSending.Store(true)
		t.say(&log, zerolog.InfoLevel, "effect unknown: waiting until the request can no longer arrive")
	case billing.Cancelled:
	}
}
