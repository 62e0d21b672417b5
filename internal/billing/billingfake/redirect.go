package billingfake

import (
	"net/http"
	"net/url"
	"strconv"
)

// Redirect sends the client elsewhere on this server. There is no effect; who
// follows gets a 200 that looks like success, and is counted as followed.
type Redirect struct {
	Status int // 301, 302, 303, 307 or 308; 0: 302
}

func (f Redirect) status() int {
	if f.Status == 0 {
		return http.StatusFound
	}
	return f.Status
}

func (f Redirect) String() string { return "redirect_" + strconv.Itoa(f.status()) }

func (f Redirect) strike(x *exchange) {
	r := failure(f.status(), "it has moved")
	r.header = http.Header{"Location": {followedPath + url.PathEscape(x.in.Invoice)}}
	x.send(r)
}
