package engine

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"
)

// P1: never are more deliveries begun and not settled than there are slots, whether what a
// group is begun with was free, or is held by what the same commit settles.
func TestP1AGroupHasNoMoreRightsThanSlots(t *testing.T) {
	t.Parallel()
	const all = 3
	for free := range all + 1 {
		for held := range all - free + 1 { // by what has ended; the rest is in flight
			for _, without := range []int{0, 2} { // have ended, and hold none
				for wanted := 1; wanted <= all+1; wanted++ {
					if free+held+without == 0 {
						continue // nothing to begin with: it waits
					}
					t.Run(fmt.Sprintf("%d_free,%d_held,%d_without,%d_wanted", free, held, without, wanted), func(t *testing.T) {
						t.Parallel()
						stop := newStopper(zerolog.Nop())
						pace := newPace(Config{Concurrency: all}, stop, zerolog.Nop())
						slots := newSlots(right{stop, pace, newKeeping(nil, stop, zerolog.Nop())}, all)
						for range all - free {
							slots.take()
						}
						s := &settler{wake: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
						for i := range held + without {
							s.items = append(s.items, ended{slot: i < held})
						}
						r := (&justAhead{intents: &intents{}, slots: slots, settler: s}).reserve(t.Context(), wanted)
						if most := min(wanted, free+held); r.rights > most || r.rights > r.slots {
							t.Errorf("%d rights with %d slots, want %d at most", r.rights, r.slots, most)
						}
						if r.rights == 0 && free+held > 0 && len(r.ended) == 0 {
							t.Error("nothing is begun and nothing settled, though there are slots")
						}
						slots.release(r.slots)
						if back := all - free - slotsOf(r.ended); slots.inUse() != back {
							t.Errorf("%d slots in use once they are given back, want %d", slots.inUse(), back)
						}
						if pace.giveBack(r.rights); pace.inFlight != 0 {
							t.Errorf("%d rights are kept for nothing", pace.inFlight)
						}
					})
				}
			}
		}
	}
}
