package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/web"
)

// Whoever looks while a run is throttled sees that it is, and for a minute after.
func TestThrottledIsShownWhileTheRunGoesOn(t *testing.T) {
	t.Parallel()
	d := quiet()
	d.status.Pending = 10
	d.status.Runs = []desk.Run{{ID: "1", Alive: true}}
	h := page(t, web.Settings{}, &d)
	shows := func(when string, throttled int64, later time.Duration, want bool) {
		t.Helper()
		d.status.Throttled, d.status.At = throttled, d.status.At.Add(later)
		w := ask(h, "GET", "/", func(r *http.Request) { r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1234" })
		if got := strings.Contains(w.Body.String(), "Throttled: the API asks for a slower pace"); got != want {
			t.Errorf("%s: shown %t, want %t", when, got, want)
		}
	}
	shows("as it begins", 0, time.Second, false)
	shows("throttled", 3, time.Second, true)
	shows("between two throttled replies", 0, 30*time.Second, true)
	shows("over", 0, time.Minute, false)
	d.status.Runs[0].Alive = false
	shows("ended", 3, time.Second, false)
}

// A quota that is used up keeps everything from being sent, whatever else there is: the page
// says when the API takes more, and then how the last run ended.
func TestAQuotaThatIsUsedUpIsShown(t *testing.T) {
	t.Parallel()
	d := quiet()
	stopped := billing.ExitStopped
	until := d.status.At.Add(time.Hour)
	d.status.NotBefore, d.status.Pending = &until, 10
	d.status.Deliveries = map[billing.State]int64{billing.Failed: 2}
	d.status.Runs = []desk.Run{{ID: "1", ExitCode: &stopped, Summary: &billing.Summary{Stopped: billing.StoppedByDeadline}}}
	h := page(t, web.Settings{}, &d)
	shows := func(want string) {
		t.Helper()
		w := ask(h, "GET", "/", func(r *http.Request) { r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1234" })
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("not shown: %s", want)
		}
	}
	shows("The billing API takes no more requests before ")
	d.status.NotBefore, d.status.At = nil, d.status.At.Add(time.Second)
	shows("2 invoices need a person.")
	d.status.Deliveries, d.status.At = map[billing.State]int64{billing.InDoubt: 1}, d.status.At.Add(time.Second)
	shows("1 invoice needs a person.")
	d.status.Deliveries, d.status.At = nil, d.status.At.Add(time.Second)
	shows("The last run ended with exit code 4 (deadline).")
}
