package billinghttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
)

const (
	// idleTimeout is below the keep-alive time-outs that servers come with
	// (gunicorn 2 s, Node.js, Apache and uvicorn 5 s, load balancers 60 s). A
	// request on a connection that the server is just closing is in doubt, a
	// new connection costs a millisecond.
	idleTimeout = time.Second
	// A shared HTTP/2 connection that has died in silence would take every
	// request with it until the kernel gives up (golang/go#36026).
	pingAfter, pingTimeout = 10 * time.Second, 5 * time.Second

	dialMargin     = time.Second
	maxReplyHeader = 1 << 20
)

// Client is a billing API. It is safe for concurrent use.
type Client struct {
	url, lookup   *templates.URL // lookup: nil if there is none
	columns       []string
	body          *templates.Body // nil: requests have no body
	method        string
	config        Config
	host          string      // of the Host header; empty: the URL's
	common        http.Header // BILLING_HEADERS
	secretHeaders map[string]bool
	secretColumns []int // of columns, that are named like tokens
	secretInBody  bool  // the body's template names such a column
	credentials   credentials
	certificate   atomic.Pointer[tls.Certificate] // the client's own; nil: none
	made          []templates.Header              // of BILLING_HEADERS, for each invoice
	outcomes      *rules.Set
	findings      *rules.Set
	answers       answers
	signer        *signer
	tls           *tls.Config // nil: nothing particular
	wantsJSON     bool
	timeout       time.Duration

	transport *http.Transport
	hangUp    context.CancelFunc // ends all connections, and dials that nobody waits for any more
}

// Close ends the connections. No call may be under way.
func (c *Client) Close() {
	c.hangUp()
	c.transport.CloseIdleConnections()
}

// TLS is what is particular about the connections' TLS: whom they trust, and the
// certificate that they show. Nil: nothing.
func (c *Client) TLS() *tls.Config { return c.transport.TLSClientConfig.Clone() }

// newTransport has no limit of connections: no more are used than there are
// requests in flight, and waiting for one would eat into BILLING_TIMEOUT.
func newTransport(timeout time.Duration, concurrency int, config *tls.Config) (*http.Transport, context.CancelFunc) {
	// net/http lets a dial go on when its request has gone: someone else may want
	// the connection. At the end nobody does.
	open, hangUp := context.WithCancel(context.Background())
	// For the same reason the attempt's deadline does not bound a dial; but it
	// should be over first, since its reason has a name.
	bound := timeout + dialMargin
	dialer := &net.Dialer{Timeout: bound}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(open, cancel)()
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return newGatedConn(conn, open), nil
		},
		TLSClientConfig:        offering(config),
		TLSHandshakeTimeout:    bound,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{http2.NextProtoTLS: newStreams(concurrency).take},
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxReplyHeader,
	}, hangUp
}

// offering offers HTTP/2 and HTTP/1.1 to the server.
func offering(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.NextProtos = []string{http2.NextProtoTLS, "http/1.1"}
	return config
}
