package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// againPage is how many deliveries are held against the ledger at once.
const againPage = 500

// again is what was found of what is remembered.
type again struct {
	shown                                             time.Time // all that was committed before stands
	missing, late, homeless, unlike, refused, checked int

	lost   []witness                         // missing and late ones
	newest map[billing.InvoiceID]*remembered // of those, of each invoice
}

// writeAgain writes again what is remembered and does not stand, and tells the other runs.
// Whether all that was lost is remembered is seen before anything is written: what this run
// has written itself says nothing of it, however often this is tried.
func (f *failover) writeAgain(ctx context.Context) error {
	if f.since.IsZero() {
		f.since = time.Now()
	}
	recorded, err := f.port.Recorded(ctx)
	if err != nil {
		return err
	}
	all := f.memory.all()
	came := again{newest: make(map[billing.InvoiceID]*remembered)}
	if err := eachPage(all, func(page []witness) error { return f.compare(ctx, page, &came) }); err != nil {
		return err
	}
	if !recorded || came.homeless > 0 || !f.memory.complete(came.shown) {
		f.suspected.Store(true)
	}
	if err := eachPage(came.lost, func(page []witness) error { return f.restore(ctx, page, &came) }); err != nil {
		return err
	}
	suspected := f.suspected.Load() || came.refused > 0 // another try may have those taken
	if err := f.port.RecordAgain(ctx, suspected); err != nil {
		return err
	}
	f.suspected.Store(suspected)
	f.memory.again(all, f.since)
	f.tell(came)
	switch {
	case f.untrusted:
		return nil
	case suspected:
		f.others.Store(nil) // whether or not they stand
		return f.forget(ctx, f.since, "more was lost than this run remembers")
	}
	f.others.Store(&others{f.since, time.Now().Add(f.linger)})
	return nil
}

func eachPage(all []witness, do func(page []witness) error) error {
	for len(all) > 0 {
		n := distinct(all, againPage)
		if err := do(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// distinct is how many of the first ones, at most, are of invoices of their own.
func distinct(all []witness, most int) int {
	met := make(map[billing.InvoiceID]struct{}, most)
	for n, w := range all[:min(len(all), most)] {
		if _, twice := met[w.id]; twice {
			return n
		}
		met[w.id] = struct{}{}
	}
	return min(len(all), most)
}

func (f *failover) delivered(ctx context.Context, page []witness) (map[billing.InvoiceID]*billing.Delivery, error) {
	ids := make([]billing.InvoiceID, len(page))
	for i, w := range page {
		ids[i] = w.id
	}
	return f.port.Delivered(ctx, ids)
}

// compare holds some against the ledger.
func (f *failover) compare(ctx context.Context, page []witness, came *again) error {
	has, err := f.delivered(ctx, page)
	if err != nil {
		return err
	}
	for _, w := range page {
		d := has[w.id]
		if shown := w.shows(d); shown.After(came.shown) {
			came.shown = shown
		}
		if r := came.newest[w.id]; r != nil {
			d = r.as(d)
		}
		came.checked++
		switch fateOf(w.remembered, d) {
		case stands:
			continue
		case missing:
			came.missing++
		case late:
			came.late++
		case homeless:
			came.homeless++
			continue
		}
		came.lost, came.newest[w.id] = append(came.lost, w), w.remembered
	}
	return nil
}

// restore writes some again that were lost, unless somebody has begun or decided meanwhile.
func (f *failover) restore(ctx context.Context, page []witness, came *again) error {
	has, err := f.delivered(ctx, page)
	if err != nil {
		return err
	}
	var lost []*remembered
	for _, w := range page {
		if fate := fateOf(w.remembered, has[w.id]); fate == missing || fate == late {
			lost = append(lost, w.remembered)
		}
	}
	for group := range slices.Chunk(lost, groupEnough) {
		if err := f.write(ctx, group, has, came); err != nil {
			return err
		}
	}
	return nil
}

// write writes deliveries again: their intents, and then what they came to. An invoice
// that makes another request by now is not the one that was sent: it is not marked.
func (f *failover) write(ctx context.Context, lost []*remembered, has map[billing.InvoiceID]*billing.Delivery, came *again) error {
	now, err := f.look(ctx, lost)
	if err != nil {
		return err
	}
	var intents []billing.Lost
	var settlements []billing.Settlement
	for _, r := range lost {
		d := has[r.id]
		hash := r.request[:]
		if !r.begun {
			hash = d.RequestSHA256
		}
		inv, request, same := f.isAsSent(now[r.id], r, hash)
		if !same {
			f.unlike[r.id] = int(r.attempt)
		}
		if fateOf(r, d) == missing {
			intents = append(intents, f.lost(r, inv, request, same))
		}
		if !r.settled {
			continue
		}
		s := r.settlement()
		if !same && (s.State == billing.Sent || s.State == billing.Unmarked) {
			s.State, s.Reason, s.Unlike = billing.Sent, "", true
			came.unlike++
		}
		settlements = append(settlements, s)
	}
	if err := f.beginAgain(ctx, intents, came); err != nil || len(settlements) == 0 {
		return err
	}
	of, err := f.commitEnds(ctx, settlements)
	if errors.Is(err, billing.ErrFailedOver) {
		return err
	}
	for i := range of {
		if of[i] == billing.NotSettled {
			came.refused++
			f.log.Error().Err(err).Str("invoice_id", string(settlements[i].InvoiceID)).Msg("a fail-over has lost what this delivery came to, and the database refuses to write it again")
		}
	}
	return nil
}

// beginAgain writes intents again; one after the other where the database refuses them.
func (f *failover) beginAgain(ctx context.Context, lost []billing.Lost, came *again) error {
	if len(lost) == 0 {
		return nil
	}
	err := f.port.BeginAgain(ctx, lost)
	switch {
	case err == nil || errors.Is(err, billing.ErrFailedOver) || ctx.Err() != nil:
		return err
	case len(lost) > 1:
		half := len(lost) / 2
		if err := f.beginAgain(ctx, lost[:half], came); err != nil {
			return err
		}
		return f.beginAgain(ctx, lost[half:], came)
	}
	came.refused++
	f.log.Error().Err(err).Str("invoice_id", string(lost[0].InvoiceID)).Msg("a fail-over has lost this delivery, and the database refuses to write it again")
	return nil
}

// lost is a delivery's intent; what its invoice says counts where that still makes the
// same request.
func (f *failover) lost(r *remembered, inv billing.Invoice, request billing.Request, same bool) billing.Lost {
	elapsed := time.Since(f.memory.began)
	l := billing.Lost{
		Intent: billing.Intent{
			InvoiceID: r.id, Attempt: int(r.attempt), RunAttempt: int(r.runAttempt), Key: r.key.String(), RequestSHA256: r.request[:],
			DeadlineIn: f.deadline + time.Duration(r.begunAt)*time.Millisecond - elapsed,
		},
		KeyVersion: int(r.version), Doubtful: r.doubtful, Age: elapsed - time.Duration(r.first)*time.Second,
	}
	if same {
		hash := sha256.Sum256(request.Body)
		l.BodySHA256, l.Amount = hash[:], inv.Amount
		if r.version == 1 || request.LookupByKey { // else it would answer for what was sent before
			l.LookupSHA256 = request.LookupSHA256
		}
	}
	return l
}

// look reads the invoices that there are.
func (f *failover) look(ctx context.Context, lost []*remembered) (map[billing.InvoiceID]billing.Invoice, error) {
	found := make(map[billing.InvoiceID]billing.Invoice, len(lost))
	ids := make([]billing.InvoiceID, len(lost))
	for i, r := range lost {
		ids[i] = r.id
	}
	for len(ids) > 0 {
		seen, err := f.port.LookAny(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("look at the invoices that a fail-over has lost: %w", err)
		}
		if len(seen) == 0 {
			return found, nil // the others are gone
		}
		for _, inv := range seen {
			found[inv.ID] = inv
		}
		var rest []billing.InvoiceID // wide rows come in several looks
		for _, id := range ids {
			if _, yes := found[id]; !yes {
				rest = append(rest, id)
			}
		}
		ids = rest
	}
	return found, nil
}

// isAsSent says whether an invoice still makes the request of a hash.
func (f *failover) isAsSent(inv billing.Invoice, r *remembered, hash []byte) (billing.Invoice, billing.Request, bool) {
	if inv.ID == "" || inv.Fault != nil || len(hash) == 0 {
		return inv, billing.Request{}, false
	}
	inv.Key = r.key.String()
	if inv.Delivery != nil {
		inv.Key = inv.Delivery.Key
	}
	request, err := f.renderer.Render(inv)
	return inv, request, err == nil && bytes.Equal(request.SHA256, hash)
}

// pendingAgain counts, at the run's end, those of which another invoice has the id: no
// pass may have met them.
func (f *failover) pendingAgain(ctx context.Context, earlier *billing.Earlier) error {
	if len(f.unlike) == 0 {
		return nil
	}
	seen, err := f.Look(ctx, slices.Collect(maps.Keys(f.unlike)))
	if err != nil {
		return fmt.Errorf("look at invoices whose ids were given out again: %w", err)
	}
	for _, inv := range seen {
		if inv.Delivery.StandsAccepted() && !slices.Contains(earlier.SentIDs, inv.ID) && len(earlier.SentIDs) < billing.MostPendingAgain {
			earlier.Sent++
			earlier.SentIDs = append(earlier.SentIDs, inv.ID)
		}
	}
	return nil
}
