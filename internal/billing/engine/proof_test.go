package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"billonce/internal/billing"
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
	p := newPace(1.0 / 3600)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.waitForLookUp(ctx); err != nil {
		t.Errorf("what requests leave is not taken: %v", err)
	}
	if p.ready() {
		t.Error("a look-up does not count")
	}
	if err := p.waitForLookUp(ctx); err == nil {
		t.Error("a look-up is made beyond the rate")
	}
	if !p.takeTenth(0) || p.takeTenth(time.Hour) {
		t.Error("the look-ups' share is not a share")
	}
	free := newPace(0)
	free.pause(time.Hour)
	if err := free.waitForLookUp(ctx); err == nil {
		t.Error("a look-up does not heed a 429")
	}
}
