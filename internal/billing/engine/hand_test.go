package engine

import (
	"testing"
	"testing/synctest"

	"github.com/billonce/billonce/internal/billing"
)

// P7: a look waits where more would be in hand than may be, until something was sent.
func TestP7WhatIsInHandIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = inHandMost / billing.LookMost
		h := newHand(1)
		looks := 0
		go func() {
			for range 2 * most {
				h.takeLook()
				looks++
			}
		}()
		synctest.Wait()
		if looks != most {
			t.Errorf("%d looks are in hand, want %d", looks, most)
		}
		h.give(most * billing.LookMost)
		synctest.Wait()
		if looks != 2*most {
			t.Errorf("%d looks were made, want %d", looks, 2*most)
		}
	})
}
