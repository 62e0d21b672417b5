package billingfake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Notice is one way to say, in a header, when a client may come back.
type Notice struct {
	name string
	set  func(h http.Header, now time.Time, after time.Duration)
}

func (n Notice) String() string { return n.name }

func notices() []Notice {
	return []Notice{
		{"none", func(http.Header, time.Time, time.Duration) {}},
		{"retry_after", retryAfter},
		{"retry_after_date", func(h http.Header, now time.Time, after time.Duration) {
			h.Set("Retry-After", roundUp(now.Add(after)).Format(http.TimeFormat))
		}},
		{"retry_after_decimal", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("Retry-After", strconv.FormatFloat(after.Seconds(), 'f', 3, 64))
		}},
		{"retry_after_ms", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("Retry-After", strconv.FormatInt(ceil(after, time.Millisecond), 10))
		}},
		{"retry_after_epoch", func(h http.Header, now time.Time, after time.Duration) {
			h.Set("Retry-After", epoch(now, after))
		}},
		// draft-ietf-httpapi-ratelimit-headers, from its version 08 on.
		{"ratelimit", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("RateLimit", `"default";r=0;t=`+seconds(after))
		}},
		// The same draft's versions before that.
		{"ratelimit_reset", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("RateLimit-Remaining", "0")
			h.Set("RateLimit-Reset", seconds(after))
		}},
		{"x_ratelimit_reset", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("X-RateLimit-Reset", seconds(after))
		}},
		{"x_ratelimit_reset_epoch", func(h http.Header, now time.Time, after time.Duration) {
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("X-RateLimit-Reset", epoch(now, after))
		}},
		{"x_rate_limit_reset", func(h http.Header, _ time.Time, after time.Duration) {
			h.Set("X-Rate-Limit-Remaining", "0")
			h.Set("X-Rate-Limit-Reset", seconds(after))
		}},
		{"x_rate_limit_reset_epoch", func(h http.Header, now time.Time, after time.Duration) {
			h.Set("X-Rate-Limit-Remaining", "0")
			h.Set("X-Rate-Limit-Reset", epoch(now, after))
		}},
	}
}

// NoticeNames lists what ParseNotices reads.
func NoticeNames() []string {
	var names []string
	for _, n := range notices() {
		names = append(names, n.name)
	}
	return names
}

// ParseNotices reads notices, with commas between them.
func ParseNotices(text string) ([]Notice, error) {
	var found []Notice
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		at := slices.IndexFunc(notices(), func(n Notice) bool { return n.name == name })
		if at < 0 {
			return nil, fmt.Errorf("read notice %q: no such notice; there are %s", name, strings.Join(NoticeNames(), ", "))
		}
		found = append(found, notices()[at])
	}
	return found, nil
}

func retryAfter(h http.Header, _ time.Time, after time.Duration) {
	h.Set("Retry-After", seconds(after))
}

// All of them round up: who comes back too early is turned away again.

func ceil(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }

func seconds(d time.Duration) string { return strconv.FormatInt(ceil(d, time.Second), 10) }

func roundUp(t time.Time) time.Time { return t.Add(time.Second - 1).UTC().Truncate(time.Second) }

func epoch(now time.Time, after time.Duration) string {
	return strconv.FormatInt(roundUp(now.Add(after)).Unix(), 10)
}
