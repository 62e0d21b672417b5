package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

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
