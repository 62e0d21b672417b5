package billingfake

import (
	"net/http"
	"strconv"
	"time"
)

const defaultRetryAfter = time.Second

// ReplyStatus answers with an error, before any effect: 400 is a refusal, 409 a
// conflict, 429 and 503 ask for patience, 500 is the error that has done
// nothing and can't be told from the one that has.
type ReplyStatus struct {
	Status     int
	RetryAfter time.Duration // 0: 1 s for 429 and 503, no header for the others
	HTTPDate   bool          // the header names an instant, not seconds
}

func (f ReplyStatus) String() string {
	name := "reply_" + strconv.Itoa(f.Status)
	if f.HTTPDate {
		name += "_date"
	}
	if f.RetryAfter != 0 {
		name += ":" + f.RetryAfter.String()
	}
	return name
}

func (f ReplyStatus) strike(x *exchange) {
	r := failure(f.Status, http.StatusText(f.Status))
	if after := f.retryAfter(); after > 0 {
		r.header = http.Header{"Retry-After": {f.format(x.api.config.Now(), after)}}
	}
	x.send(r)
}

func (f ReplyStatus) retryAfter() time.Duration {
	patience := f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable || f.HTTPDate
	if f.RetryAfter == 0 && patience {
		return defaultRetryAfter
	}
	return f.RetryAfter
}

// format rounds up: the header knows only whole seconds, and who comes back
// too early is turned away again.
func (f ReplyStatus) format(now time.Time, after time.Duration) string {
	if f.HTTPDate {
		return roundUp(now.Add(after)).Format(http.TimeFormat)
	}
	return seconds(after)
}
