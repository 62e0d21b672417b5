package billinghttp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// credential is what shows an API who we are: headers that all requests have in common.
type credential struct {
	header http.Header
	until  time.Time   // when to get another one; zero: it does not end
	proven atomic.Bool // a request that carried it was not answered 401
	asked  atomic.Bool // another one was asked for because it was refused
}

func (c *credential) over(now time.Time) bool {
	return !c.until.IsZero() && now.After(c.until)
}

// credentials is the credential that requests carry now. It is safe for concurrent use.
type credentials struct {
	// fetch reads or asks for another one; nil: there is one for good.
	fetch func(ctx context.Context) (*credential, error)
	bound time.Duration // how long fetch may take
	held  atomic.Pointer[credential]
	first atomic.Pointer[credential]
	group singleflight.Group // one fetch at a time, whose end all wait for
}

// get returns the credential for a request, after getting it where there is none or it
// ends soon.
func (c *credentials) get(ctx context.Context) (*credential, error) {
	held := c.held.Load()
	if held != nil && !held.over(time.Now()) {
		return held, nil
	}
	return c.renew(ctx, held)
}

// renew gets another credential in place of old, unless somebody has.
func (c *credentials) renew(ctx context.Context, old *credential) (*credential, error) {
	done := c.group.DoChan("", func() (any, error) {
		if now := c.held.Load(); now != old {
			return now, nil
		}
		// Others wait for it, too: it does not end with the request that asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.bound)
		defer cancel()
		fetched, err := c.fetch(ctx)
		if err != nil {
			return nil, err
		}
		if old != nil && old.until.IsZero() && sameHeader(old.header, fetched.header) {
			return old, nil
		}
		c.held.Store(fetched)
		c.first.CompareAndSwap(nil, fetched)
		return fetched, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a credential: %w", context.Cause(ctx))
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
		held, _ := result.Val.(*credential)
		return held, nil
	}
}

// answered takes notice of a reply to a request that carried this credential. It says
// whether the request was refused for a credential that has been replaced since: that
// says nothing against the next one. Another one is asked for once, and of one that
// replaces another only if it has ever been good: a client that the API has shut out
// must not fetch tokens for ever.
func (c *credentials) answered(ctx context.Context, used *credential, status int) (replaced bool) {
	if status != http.StatusUnauthorized {
		used.proven.Store(true)
		return false
	}
	if c.held.Load() != used {
		return true
	}
	if c.fetch == nil || !used.proven.Load() && c.first.Load() != used {
		return false
	}
	if used.asked.Swap(true) && c.held.Load() == used {
		// Somebody asks for it just now, or has and got the same one.
		held, err := c.wait(ctx, used)
		return err == nil && held != used
	}
	held, err := c.renew(ctx, used)
	return err == nil && held != used
}

// wait waits for a fetch that is under way; without one it returns what is held.
func (c *credentials) wait(ctx context.Context, used *credential) (*credential, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.group.DoChan("", func() (any, error) { return used, nil }):
		return c.held.Load(), nil
	}
}

func sameHeader(a, b http.Header) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]string])
}
