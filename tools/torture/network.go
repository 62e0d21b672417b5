package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// network is one slot's way to the database.
type network struct {
	proxy *toxiproxy.Proxy
	url   string
}

// newNetwork makes the next slot's.
func (r *round) newNetwork(slot int) (*network, error) {
	u, err := url.Parse(r.testbed.server.URL(r.database))
	if err != nil {
		return nil, err
	}
	n := &network{proxy: toxiproxy.NewProxy(r.testbed.toxic, fmt.Sprintf("slot %d", slot), "127.0.0.1:0", u.Host)}
	if err := n.proxy.Start(); err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	u.Host = n.proxy.Listen
	n.url = u.String()
	r.networks = append(r.networks, n)
	return n, nil
}

func (n *network) close() { n.proxy.Stop() }

// cut breaks every connection after a few more bytes, in the middle of a message
// as likely as not. New ones fare the same until it is over.
func (n *network) cut(ctx context.Context, direction string, bytes int, d time.Duration) error {
	return n.toxic(ctx, "limit_data", direction, fmt.Sprintf(`{"bytes": %d}`, bytes), d)
}

// swallow loses every byte of one direction without a word, then breaks the
// connections.
func (n *network) swallow(ctx context.Context, direction string, d time.Duration) error {
	return n.toxic(ctx, "timeout", direction, `{"timeout": 0}`, d)
}

func (n *network) toxic(ctx context.Context, kind, direction, attributes string, d time.Duration) error {
	toxic, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
		`{"type": %q, "stream": %q, "attributes": %s}`, kind, direction, attributes)))
	if err != nil {
		return fmt.Errorf("break the network: %w", err)
	}
	_ = sleep(ctx, d) // a round that ends mends the network too
	return n.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), toxic.Name)
}
