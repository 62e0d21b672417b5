package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// However busy a run is, it keeps controls that are old enough, and no more than some.
func TestControlsGrowOld(t *testing.T) {
	t.Parallel()
	c := newControls(time.Hour)
	for i := range 3 * billing.ControlsKept {
		c.add(billing.InvoiceID(fmt.Sprint(i)), nil)
	}
	all := c.all()
	if len(c.latest()) != billing.ControlsKept || c.latest()[0].InvoiceID != "40" || len(all) != billing.ControlsKept+1 || all[0].InvoiceID != "0" {
		t.Errorf("%+v", all)
	}
	c.spacing = 0
	for i := range 5 * billing.ControlsKept {
		c.add(billing.InvoiceID(fmt.Sprint(i)), nil)
	}
	if n := len(c.all()); n != 2*billing.ControlsKept {
		t.Errorf("%d are kept", n)
	}
}

// Look-ups count for the rate: they take what requests leave, and a tenth.
func TestLookUpsCountForTheRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := newPace(Config{Rate: 1, Concurrency: 8, Linger: time.Hour}, newStopper(zerolog.Nop()), zerolog.Nop())
	if d := p.untilLookUp(now); d > 0 {
		t.Errorf("what requests leave is not taken: %v", d)
	}
	if p.ready() {
		t.Error("a look-up does not count")
	}
	if d := p.untilLookUp(now); d <= 0 {
		t.Error("a look-up is made beyond the rate")
	}
	if d := p.untilLookUp(now.Add(10 * time.Second)); d > 0 {
		t.Errorf("the look-ups' share is not a share: %v", d)
	}
	free := newPace(Config{Concurrency: 8, Linger: time.Hour}, newStopper(zerolog.Nop()), zerolog.Nop())
	free.slowLookUps(time.Minute)
	if d := free.untilLookUp(time.Now()); d <= 0 {
		t.Error("a look-up does not heed a 429")
	}
}
