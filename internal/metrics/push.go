package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus/push"
)

const (
	job                = "billonce"
	defaultPushTimeout = 5 * time.Second
)

// Push sends the metrics to a Pushgateway, in the group of these labels: the
// next push with the same labels takes their place. It adds (POST) and does not
// replace the group (PUT), so that a run without success leaves the time of the
// last one there.
func (m *Metrics) Push(ctx context.Context, gateway string, grouping map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, m.pushTimeout)
	defer cancel()
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a POST that is moved is followed as a GET, and its 200 looks like success
	}}
	pusher := push.New(gateway, job).Gatherer(m.registry).Client(discreet{client})
	for name, value := range grouping {
		pusher.Grouping(name, value)
	}
	err := pusher.AddContext(ctx)
	var malformed *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &malformed):
		// Even its innermost text quotes a part of the URL.
		return errors.New("push metrics to PUSHGATEWAY_URL: it is not a URL")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("push metrics to PUSHGATEWAY_URL: push timeout of %s: %w", m.pushTimeout, err)
	}
	return fmt.Errorf("push metrics to PUSHGATEWAY_URL: %w", err)
}

// discreet keeps the gateway's URL, which may hold a password, out of errors.
// push quotes it when the status is not the one it wants, net/http when there
// is none.
type discreet struct{ client *http.Client }

// Do implements push.HTTPDoer.
func (d discreet) Do(req *http.Request) (*http.Response, error) {
	resp, err := d.client.Do(req)
	if err != nil {
		var fault *url.Error
		if errors.As(err, &fault) {
			err = fault.Err
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		resp.Body.Close()
		return nil, fmt.Errorf("the gateway answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return resp, nil
}
