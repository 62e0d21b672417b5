package engine

import (
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// A request under a key that was judged young arrives before the API forgets it.
func TestKeysMarginCoversTheIntentsLife(t *testing.T) {
	t.Parallel()
	for ttl := time.Minute; ttl < 400*24*time.Hour; ttl *= 2 {
		for timeout := time.Second; timeout < ttl; timeout *= 2 {
			terms := newTerms(Config{Idempotent: true, KeyTTL: ttl, Timeout: timeout})
			oldest := time.Duration(0)
			for age := time.Duration(0); age < ttl; age += ttl / 1000 {
				if billing.KeyAlive(age, terms.known.KeyTTL) {
					oldest = age
				}
			}
			if arrives := oldest + terms.intentLife + timeout; arrives > ttl && oldest > 0 {
				t.Errorf("TTL %s, time-out %s: a request may arrive when its key is %s old", ttl, timeout, arrives)
			}
		}
	}
}
