package compare

import (
	"context"
	"errors"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const (
	anyPort     = "127.0.0.1:0"
	invoicePath = "/v1/invoices/" + idInURL + "/send"
	apiShutdown = 5 * time.Second
)

// withAPI serves a billing API while f runs, and returns what that API has seen
// once it has come to rest.
func withAPI(ctx context.Context, config billingfake.Config, f func(billingURL string) error) (_ billingfake.Summary, err error) {
	api := billingfake.New(config)
	server, err := billingfake.Listen(anyPort, api)
	if err != nil {
		return billingfake.Summary{}, err
	}
	err = f(server.URL() + invoicePath)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiShutdown)
	defer cancel()
	err = errors.Join(err, server.Close(closing))
	return api.Summary(), err
}
