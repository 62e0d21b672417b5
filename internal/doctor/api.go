package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// reachTimeout bounds one handshake with the billing API.
const reachTimeout = 10 * time.Second

// examineAPI connects as a request would, through the same proxy, and goes no
// further than the handshake: no byte of a request is written.
func examineAPI(ctx context.Context, e *exam) (Finding, error) {
	if e.BillingURL == "" {
		return warning("Set BILLING_URL: a run needs it", "BILLING_URL is not set"), nil
	}
	const remedy = "Check BILLING_URL, this machine's DNS, the firewall and the proxy"
	u, err := url.Parse(strings.NewReplacer("{", "%7B", "}", "%7D").Replace(e.BillingURL))
	if err != nil {
		return refused(remedy, "BILLING_URL is not a URL"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: u.Scheme, Host: u.Host}})
	if err != nil {
		return refused(remedy, "the proxy that the environment names is not understood"), nil
	}
	if proxy != nil {
		if err := e.reach(ctx, proxy, proxy.Scheme == "https"); err != nil {
			return refused(remedy, "the proxy %s can't be reached: %v", proxy.Host, err), nil
		}
		return ok("its proxy %s answers; what is behind it was not tried", proxy.Host), nil
	}
	secure := u.Scheme == "https"
	if err := e.reach(ctx, u, secure); err != nil {
		if dial := (*net.OpError)(nil); !errors.As(err, &dial) || dial.Op != "dial" {
			return refused("Check that BILLING_URL's port speaks TLS, and that its certificate is one that BILLING_TLS_CA trusts, or, where that is not set, this machine",
				"%s answers, but not with TLS that is trusted: %v", u.Host, err), nil
		}
		return refused(remedy, "%s can't be reached: %v", u.Host, err), nil
	}
	if !secure {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return ok("%s answers (TCP, on this machine)", u.Host), nil
		}
		return warning("Use https: the token and the invoices can be read on the way", "%s answers, without TLS", u.Host), nil
	}
	return ok("%s answers (TCP and TLS)", u.Host), nil
}

func (e *exam) reach(ctx context.Context, u *url.URL, secure bool) (err error) {
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[secure]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	var conn net.Conn
	if secure {
		conn, err = (&tls.Dialer{Config: e.TLS}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// examineLookUp tests the look-up: a run does not believe it before it has.
func examineLookUp(ctx context.Context, e *exam) (Finding, error) {
	if e.LookUp == nil {
		return ok("BILLING_LOOKUP_URL is not set: what is in doubt waits for a person"), nil
	}
	seen, why, err := e.LookUp(ctx)
	if err != nil {
		return Finding{}, err
	}
	if why != "" {
		return warning("Ask it by hand about an invoice that the API has acted on, and about one that was never sent. Until its test holds, what is in doubt waits for a person",
			"%s. %s", seen, why), nil
	}
	return ok("%s. It is believed", seen), nil
}
