package billinghttp

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/fault"
)

// credentials is the credential that requests carry now. It is safe for concurrent use.
type credentials struct {
	// fetch reads or asks for another one; nil: there is one for good.
	fetch func(ctx context.Context) (*credential, error)
	bound time.Duration // how long fetch may take
	held  atomic.Pointer[credential]
	first atomic.Pointer[credential]
	group singleflight.Group // one fetch in place of each, whose end all wait for
}

// renewPause is how long a credential that is still good is used after another one could
// not be had, before that is tried again.
const renewPause = 5 * time.Second

// get returns the credential for a request, after getting it where there is none, or none
// that is still good. One that ends soon is replaced meanwhile, and nobody waits.
func (c *credentials) get(ctx context.Context) (*credential, error) {
	held := c.held.Load()
	now := time.Now()
	switch {
	case held == nil, held.isOver(now):
		return c.renew(ctx, held)
	case held.isDue(now):
		c.begin(ctx, held)
	}
	return held, nil
}

// renew gets another credential in place of old, unless somebody has.
func (c *credentials) renew(ctx context.Context, old *credential) (*credential, error) {
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a credential: %w", context.Cause(ctx))
	case result := <-c.begin(ctx, old):
		held, _ := result.Val.(*credential)
		return held, result.Err
	}
}

// begin begins to get another credential in place of old, unless somebody does.
func (c *credentials) begin(ctx context.Context, old *credential) <-chan singleflight.Result {
	return c.group.DoChan(fmt.Sprintf("%p", old), func() (any, error) {
		held := c.held.Load()
		now := time.Now()
		if held != old || old != nil && old.asked.Load() && !old.isDue(now) {
			return held, nil
		}
		// Others wait for it, too: it does not end with the request that asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.bound)
		defer cancel()
		fetched, err := c.fetch(ctx)
		switch {
		case err != nil:
			if old != nil && old.isDue(now) {
				old.due.Store(time.Now().Add(renewPause).UnixNano())
			}
			return nil, err
		case old == nil:
			c.first.Store(fetched)
		case old.shows(fetched) && !old.isDue(now):
			old.asked.Store(true)
			return old, nil
		default:
			fetched.redactor = fetched.redactor.and(old.redactor)
		}
		c.held.Store(fetched)
		return fetched, nil
	})
}

// refused is called for a request that was answered 401. It says whether the credential
// that it carried has been replaced since: then the reply says nothing against the next
// one. Another one is asked for once, and in place of one that is not the first only if
// that has ever been good: a client that the API has shut out must not fetch tokens for
// ever.
func (c *credentials) refused(ctx context.Context, used *credential) (replaced bool, err error) {
	if c.held.Load() != used {
		return true, nil
	}
	if c.fetch == nil || !used.proven.Load() && c.first.Load() != used {
		return false, nil
	}
	held, err := c.renew(ctx, used)
	return err == nil && held != used, err
}

// setCredentials says where the client's credentials come from.
func (c *Client) setCredentials() {
	c.credentials.bound = c.timeout
	if c.config.OAuth.TokenURL != "" {
		c.credentials.fetch = newTokens(c).credential
		return
	}
	if c.config.Again != nil {
		c.credentials.fetch = func(context.Context) (*credential, error) {
			cfg, parts, err := c.readAgain()
			if err != nil {
				return nil, err
			}
			return c.credentialOf(cfg, parts, ""), nil
		}
	}
	held := c.credentialOf(c.config, c, "")
	c.credentials.held.Store(held)
	c.credentials.first.Store(held)
}

// readAgain reads the configuration as it is now.
func (c *Client) readAgain() (Config, *Client, error) {
	if c.config.Again == nil {
		return c.config, c, nil
	}
	cfg, err := c.config.Again()
	if err != nil {
		return cfg, nil, fmt.Errorf("read the credentials again: %w", err)
	}
	parts, faults := read(cfg)
	if err := fault.Join(nil, faults); err != nil {
		return cfg, nil, fmt.Errorf("read the credentials again: %w", err)
	}
	if parts.tls != nil && len(parts.tls.Certificates) > 0 {
		c.certificate.Store(&parts.tls.Certificates[0])
	}
	return cfg, parts, nil
}

// heed learns from a reply what the credential that its request carried is worth.
func (c *Client) heed(ctx context.Context, used *credential, reply billing.Reply) billing.Reply {
	switch {
	case isSuccess(reply.Status):
		used.proven.Store(true)
	case reply.Status == http.StatusUnauthorized && reply.Outcome == billing.NotSent:
		replaced, err := c.credentials.refused(ctx, used)
		if err != nil {
			reply.Reason += "; there is no other credential: " + c.redactor().clean(err.Error())
		}
		reply.Replaced, reply.Denied = replaced, reply.Denied && !replaced
	}
	return reply
}

func isSuccess(status int) bool { return status >= 200 && status <= 299 }
