package billinghttp

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

const (
	// longestWait bounds what an API can ask for.
	longestWait = 31 * 24 * time.Hour
	maxSeconds  = int64(longestWait / time.Second)
	// saneSeconds is what a number of seconds is believed to be, at most: a day and an
	// hour, since quotas are a day's at most. What is more was meant as milliseconds.
	saneSeconds = 25 * 60 * 60
	// anEpoch is the least number that is taken for a time of the clock: seconds since
	// 1970, in 2001.
	anEpoch = 1e9
)

// askedToWait is how long the API asks us to wait, in the first of its headers that
// makes sense: Retry-After (RFC 9110, 10.2.3), RateLimit
// (draft-ietf-httpapi-ratelimit-headers) and its predecessors. 0: it does not say.
func askedToWait(h http.Header, now time.Time) time.Duration {
	if wait := retryAfter(h, now); wait > 0 {
		return wait
	}
	if wait := rateLimit(h); wait > 0 {
		return wait
	}
	for _, limit := range []string{"RateLimit", "X-RateLimit", "X-Rate-Limit"} {
		if left, err := strconv.ParseFloat(h.Get(limit+"-Remaining"), 64); err == nil && left > 0 {
			continue // of an hour's quota, say: another one is used up, of which nothing is told
		}
		if wait := resetIn(h.Get(limit+"-Reset"), clockOf(h, now)); wait > 0 {
			return wait
		}
	}
	return 0
}

// retryAfter reads seconds or a date, and the dialects that are met: decimals, a time of
// the clock, milliseconds.
func retryAfter(h http.Header, now time.Time) time.Duration {
	return resetIn(h.Get("Retry-After"), clockOf(h, now))
}

// clockOf is the server's own clock, where it sends that.
func clockOf(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// resetIn is how long after now a text is that names a time or a duration; 0: it names
// neither, or one that is over.
func resetIn(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		due, err := http.ParseTime(text)
		if err != nil {
			if due, err = time.Parse(time.RFC3339, text); err != nil {
				return 0
			}
		}
		return within(due.Sub(now))
	}
	switch {
	case math.IsNaN(n) || n <= 0:
		return 0
	case n >= anEpoch*1000:
		return within(time.UnixMilli(int64(min(n, math.MaxInt64/2))).Sub(now))
	case n >= anEpoch:
		return within(time.Unix(int64(n), 0).Sub(now))
	case isMilliseconds(n):
		n /= 1000
	}
	return within(time.Duration(n * float64(time.Second)))
}

// isMilliseconds says that a number makes no sense as seconds, or much more as
// milliseconds: 60000 is a minute rather than sixteen hours. Who comes back too early
// is told so once more.
func isMilliseconds(n float64) bool {
	return n > saneSeconds || n >= 10_000 && math.Mod(n, 1000) == 0 && math.Mod(n, 3600) != 0
}

func within(wait time.Duration) time.Duration { return min(max(0, wait), longestWait) }

// rateLimit reads the RateLimit field: a list of policies, of which those that have
// nothing left say with t in how many seconds they have again. An earlier version of the
// draft has a dictionary: limit=10, remaining=0, reset=7.
func rateLimit(h http.Header) (wait time.Duration) {
	values := h.Values("RateLimit")
	if len(values) == 0 {
		return 0
	}
	if list, err := httpsfv.UnmarshalList(values); err == nil {
		for _, member := range list {
			if item, ok := member.(httpsfv.Item); ok && number(item.Params, "r") <= 0 {
				wait = max(wait, within(time.Duration(number(item.Params, "t"))*time.Second))
			}
		}
		if wait > 0 {
			return wait
		}
	}
	if fields, err := httpsfv.UnmarshalDictionary(values); err == nil {
		if field(fields, "remaining") <= 0 {
			return within(time.Duration(field(fields, "reset")) * time.Second)
		}
	}
	return 0
}

func number(p *httpsfv.Params, name string) int64 {
	value, _ := p.Get(name)
	n, _ := value.(int64)
	return max(0, min(n, maxSeconds))
}

func field(d *httpsfv.Dictionary, name string) int64 {
	member, _ := d.Get(name)
	item, _ := member.(httpsfv.Item)
	n, _ := item.Value.(int64)
	return max(0, min(n, maxSeconds))
}
