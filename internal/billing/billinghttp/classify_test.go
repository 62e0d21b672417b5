package billinghttp

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

func TestClassify(t *testing.T) {
	special := map[int]billing.Outcome{
		407: billing.NotSent, 408: billing.Unknown, 409: billing.Unknown, 425: billing.Unknown, 429: billing.Throttled,
		401: billing.NotSent, 207: billing.Unknown, 307: billing.NotSent, 308: billing.NotSent, 499: billing.Unknown,
	}
	for status := -1; status < 1200; status++ {
		for _, repeat := range []bool{false, true} {
			want := billing.Unknown
			switch {
			case status/100 == 2:
				want = billing.Accepted
			case status/100 == 4:
				want = billing.Refused
			}
			if o, ok := special[status]; ok {
				want = o
			}
			reused := status == 422 && repeat
			if reused {
				want = billing.Unknown
			}
			got := classify(status, repeat)
			if got.Outcome != want || got.Status != status || (got.Outcome == billing.Throttled) != (status == 429) || got.KeyReused != reused ||
				got.Denied != (status == 401) || got.Elsewhere != (status == 307 || status == 308) {
				t.Errorf("%d, repeat %v: %+v, want %s", status, repeat, got, want)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, f := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{" 120 ", "", 2 * time.Minute},
		{"-5", "", 0},
		{"1.5", "", 1500 * time.Millisecond},
		{"60000", "", time.Minute}, // sixteen hours would be odd
		{"36000", "", 10 * time.Hour},
		{"86400", "", 24 * time.Hour},
		{"NaN", "", 0},
		{"Inf", "", longestWait},
		{strconv.FormatInt(now.Add(time.Minute).Unix(), 10), "", time.Minute},
		{strconv.FormatInt(now.Add(time.Minute).UnixMilli(), 10), "", time.Minute},
		{strconv.FormatInt(now.Add(-time.Minute).Unix(), 10), "", 0},
		{"soon", "", 0},
		{"3000000000", "", longestWait},
		{"99999999999999999999999", "", longestWait},
		{at(time.Minute), "", time.Minute},
		{at(-time.Minute), "", 0},
		{at(1000 * time.Hour), "", longestWait},
		{at(time.Hour), at(time.Hour - time.Minute), time.Minute}, // the server's clock is ahead
		{at(time.Minute), "yesterday", time.Minute},
	} {
		h := http.Header{"Retry-After": {f.value}, "Date": {f.date}}
		if got := retryAfter(h, now); got != f.want {
			t.Errorf("%q at %q: %s, want %s", f.value, f.date, got, f.want)
		}
	}
}

func TestRetryAfterReachesTheReply(t *testing.T) {
	for head, want := range map[string]time.Duration{"429 No": time.Minute, "503 No": time.Minute, "409 No": time.Minute, "400 No": 0, "200 OK": 0} {
		s := serveRaw(t, answeringOnce("HTTP/1.1 "+head+"\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"))
		if reply := send(t, newClient(t, s.url, nil)); reply.RetryAfter != want || (reply.Outcome == billing.Throttled) != (reply.Status == 429) {
			t.Errorf("%s: %+v", head, reply)
		}
	}
}

// FuzzReply serves any bytes at all as the reply. Whatever they are: no panic,
// one request, no `not_sent` but for 429, and `accepted` only where a 2xx
// status line was among them, and the pattern if one is asked for.
func FuzzReply(f *testing.F) {
	for _, head := range []string{
		"200 OK", "201 Created", "302 Found\r\nLocation: /", "400 Bad Request", "429 No\r\nRetry-After: 1", "500 No", "100 Continue",
		"101 Switching Protocols", "199 X", "299 X", "2 OK", "0200 OK", "+20 OK", "-20 OK", "200 OK\r\nContent-Encoding: gzip",
		"200 OK\r\nTransfer-Encoding: chunked", "200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X", "204 No Content",
	} {
		f.Add([]byte("HTTP/1.1 "+head+"\r\n\r\ndone"), false)
		f.Add([]byte("HTTP/1.1 "+head+"\r\nContent-Length: 4\r\n\r\ndone"), true)
	}
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n4\r\ndone"), true)
	var replies atomic.Pointer[[]byte]
	s := serveRaw(f, func(c *rawConn) {
		if c.request() != nil {
			_, _ = c.Write(*replies.Load())
		}
	})
	plain := newClient(f, s.url, nil)
	success := newClient(f, s.url, func(cfg *Config) { cfg.Outcomes = `2xx if text.contains("done") -> accepted` })
	statusLine := regexp.MustCompile(`HTTP/[0-9]\.[0-9] 2[0-9][0-9]`)
	f.Fuzz(func(t *testing.T, reply []byte, withSuccess bool) {
		replies.Store(&reply)
		c := plain
		if withSuccess {
			c = success
		}
		c.transport.CloseIdleConnections() // a kept one has ended: each reply gets a connection of its own
		before := s.requests.Load()
		got := c.Send(context.Background(), message(t, c), allow)
		checkReply(t, got)
		if n := s.requests.Load() - before; n != 1 {
			t.Errorf("%d requests", n)
		}
		if got.Outcome == billing.Accepted {
			if !statusLine.Match(reply) {
				t.Errorf("accepted: %q", reply)
			}
			if withSuccess && !bytes.Contains(reply, []byte("done")) && !bytes.Contains(bytes.ToLower(reply), []byte("encoding")) {
				t.Errorf("accepted without done: %q", reply)
			}
		}
		if (got.Outcome == billing.Throttled) != (got.Status == 429) {
			t.Errorf("throttled: %+v", got)
		}
		if got.Outcome == billing.Refused && got.Status/100 != 4 {
			t.Errorf("refused: %+v", got)
		}
	})
}

// Each way in which billingfake tells of a limit is understood.
func TestEveryNoticeIsUnderstood(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	epoch := strconv.FormatInt(now.Add(7*time.Second).Unix(), 10)
	for name, c := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"none":                       {http.Header{}, 0},
		"retry_after":                {http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		"retry_after first":          {http.Header{"Retry-After": {"7"}, "X-Ratelimit-Reset": {"9"}}, 7 * time.Second},
		"a quota that has some left": {http.Header{"X-Ratelimit-Remaining": {"900"}, "X-Ratelimit-Reset": {"3000"}}, 0},
		"a quota that has none left": {http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"30"}}, 30 * time.Second},
		"two quotas, and one is used up": {http.Header{
			"Ratelimit-Remaining": {"900"}, "Ratelimit-Reset": {"3000"},
			"X-Rate-Limit-Remaining": {"0"}, "X-Rate-Limit-Reset": {"2"},
		}, 2 * time.Second},
		"an earlier draft, some left": {http.Header{"Ratelimit": {"limit=1000, remaining=900, reset=3000"}}, 0},
		"retry_after is nonsense":     {http.Header{"Retry-After": {"soon"}, "X-Ratelimit-Reset": {"9"}}, 9 * time.Second},
		"ratelimit":                   {http.Header{"Ratelimit": {`"default";r=0;t=7`}}, 7 * time.Second},
		"ratelimit of two":            {http.Header{"Ratelimit": {`"burst";r=4;t=90, "day";r=0;t=7`}}, 7 * time.Second},
		"ratelimit as it was":         {http.Header{"Ratelimit": {`limit=10, remaining=0, reset=7`}}, 7 * time.Second},
		"ratelimit is huge":           {http.Header{"Ratelimit": {`limit=10, remaining=0, reset=999999999999999`}}, longestWait},
		"reset is far below zero":     {http.Header{"Ratelimit": {"limit=10, remaining=0, reset=-10000000000"}, "X-Ratelimit-Reset": {"9"}}, 9 * time.Second},
		"ratelimit is below zero":     {http.Header{"Ratelimit": {`"default";r=0;t=-7`}, "X-Ratelimit-Reset": {"9"}}, 9 * time.Second},
		"ratelimit is nonsense":       {http.Header{"Ratelimit": {`"`}}, 0},
		"ratelimit_reset":             {http.Header{"Ratelimit-Reset": {"7"}}, 7 * time.Second},
		"x_ratelimit_reset":           {http.Header{"X-Ratelimit-Reset": {"7"}}, 7 * time.Second},
		"its epoch":                   {http.Header{"X-Ratelimit-Reset": {epoch}}, 7 * time.Second},
		"x_rate_limit_reset":          {http.Header{"X-Rate-Limit-Reset": {"7"}}, 7 * time.Second},
		"its epoch, too":              {http.Header{"X-Rate-Limit-Reset": {epoch}}, 7 * time.Second},
		"by the server's clock":       {http.Header{"X-Rate-Limit-Reset": {epoch}, "Date": {now.Add(4 * time.Second).Format(http.TimeFormat)}}, 3 * time.Second},
	} {
		if got := askedToWait(c.header, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
