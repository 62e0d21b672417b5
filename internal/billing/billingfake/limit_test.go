package billingfake

import (
	"net/http"
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	now := time.Now()
	a := New(Config{Limits: []Limit{NewRateLimit(Rate{25, time.Second})}, Now: func() time.Time { return now }})
	burst := func() (taken int) {
		for ask(a, "POST", sendPath("7"), "", "").Code == 200 {
			taken++
		}
		return taken
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 25}, {0, 0}, {40 * time.Millisecond, 1}, {time.Second, 25}, {time.Hour, 25}} {
		now = now.Add(step.after)
		if got := burst(); got != step.want {
			t.Errorf("after another %s: %d, want %d", step.after, got, step.want)
		}
	}
	if w := ask(a, "GET", "/v1/invoices/7", "", ""); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("a look-up: %d %v", w.Code, w.Header())
	}
	if n := a.Counts(); n.Effects != 76 || n.Throttled != 6 {
		t.Errorf("%+v", n)
	}
}

func TestQuota(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	a := New(Config{Limits: []Limit{NewQuota(Rate{2, time.Hour})}, Now: func() time.Time { return now }})
	for _, step := range []struct {
		after  time.Duration
		status int
		says   string
	}{{0, 200, ""}, {time.Minute, 200, ""}, {time.Minute, 429, "3480"}, {58 * time.Minute, 200, ""}} {
		now = now.Add(step.after)
		if w := ask(a, "POST", sendPath("7"), "", ""); w.Code != step.status || w.Header().Get("Retry-After") != step.says {
			t.Errorf("after another %s: %d %v", step.after, w.Code, w.Header())
		}
	}
}

// What is turned away by one limit gives back what another gave.
func TestAtOnce(t *testing.T) {
	started, goOn := make(chan struct{}), make(chan struct{})
	a := New(Config{Limits: []Limit{NewAtOnce(1), NewQuota(Rate{2, time.Hour})}, Throttling: Throttling{Status: 503}})
	a.config.After = func(Received) { close(started); <-goOn }
	done := make(chan struct{})
	go func() { defer close(done); ask(a, "POST", sendPath("7"), "", "") }()
	<-started
	a.config.After = nil
	if w := ask(a, "POST", sendPath("8"), "", ""); w.Code != 503 || a.Invoice("8").Effects != 0 {
		t.Errorf("the second at once: %d", w.Code)
	}
	close(goOn)
	<-done
	for _, want := range []int{200, 503, 503} { // by the quota, which the refused one did not use
		if w := ask(a, "POST", sendPath("8"), "", ""); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
	if at := a.config.Limits[0].(*AtOnce).atWork; at != 0 {
		t.Errorf("at work: %d", at)
	}
}

func TestNotices(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 1, time.UTC)
	for name, want := range map[string][2]string{
		"none":                     {"Retry-After", ""},
		"retry_after":              {"Retry-After", "2"},
		"retry_after_date":         {"Retry-After", "Fri, 02 Jan 2026 03:04:07 GMT"},
		"retry_after_decimal":      {"Retry-After", "1.250"},
		"retry_after_ms":           {"Retry-After", "1250"},
		"retry_after_epoch":        {"Retry-After", "1767323047"},
		"ratelimit":                {"RateLimit", `"default";r=0;t=2`},
		"ratelimit_reset":          {"RateLimit-Reset", "2"},
		"x_ratelimit_reset":        {"X-RateLimit-Reset", "2"},
		"x_ratelimit_reset_epoch":  {"X-RateLimit-Reset", "1767323047"},
		"x_rate_limit_reset":       {"X-Rate-Limit-Reset", "2"},
		"x_rate_limit_reset_epoch": {"X-Rate-Limit-Reset", "1767323047"},
	} {
		says, err := ParseNotices(name)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header(Throttling{Says: says}.reply(now, 1250*time.Millisecond).header)
		if got := h.Get(want[0]); got != want[1] {
			t.Errorf("%s: %q, want %q", name, got, want[1])
		}
	}
	if _, err := ParseNotices("retry_after,shout"); err == nil {
		t.Error("an unknown notice is taken")
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{"25": {25, time.Second}, "60/m": {60, time.Minute}, "5000/h": {5000, time.Hour}, "7/d": {7, 24 * time.Hour}} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1/w", "1/"} {
		if _, err := ParseRate(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
