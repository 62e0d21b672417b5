package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/web"
)

// What the API has taken and not yet decided is shown: how many, since when, and when the
// next is looked up.
func TestThePageShowsWhatIsSubmitted(t *testing.T) {
	t.Parallel()
	d := quiet()
	since, due := d.status.At.Add(-time.Hour), d.status.At.Add(time.Minute)
	d.status.Deliveries[billing.SubmittedState], d.status.SubmittedSince, d.status.SubmittedDueAt = 12345, &since, &due
	w := ask(page(t, web.Settings{}, d), "GET", "/", func(r *http.Request) { r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1234" })
	const want = "The API has taken 12,345 of them and not yet decided, the oldest since 2026-03-01 03:00:00 UTC; the next is looked up at 2026-03-01 04:01:00 UTC, if a run is there."
	if !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d, want it to say %q\n%s", w.Code, want, w.Body)
	}
}
