package billinghttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// vault hands out credentials, as a file that is written anew or a token endpoint does.
type vault struct {
	value   atomic.Int64
	fetches atomic.Int64
	lives   time.Duration // 0: for ever
	early   time.Duration // how long before its end another one is due
	begun   chan struct{} // if not nil: told of each fetch
	release chan struct{} // if not nil: each fetch waits for it
	fault   error
}

func (v *vault) fetch(ctx context.Context) (*credential, error) {
	v.fetches.Add(1)
	if v.begun != nil {
		v.begun <- struct{}{}
	}
	if v.release != nil {
		select {
		case <-v.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if v.fault != nil {
		return nil, v.fault
	}
	c := &credential{header: http.Header{"Authorization": {fmt.Sprint("Bearer ", v.value.Load())}}}
	if v.lives != 0 {
		c.ends = time.Now().Add(v.lives)
		c.due.Store(c.ends.Add(-v.early).UnixNano())
	}
	return c, nil
}

func hold(t *testing.T, v *vault) (*credentials, *credential) {
	t.Helper()
	c := &credentials{fetch: v.fetch, bound: time.Minute}
	first, err := c.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, first
}

// refuse says that a request with this credential was answered 401.
func refuse(t *testing.T, c *credentials, used *credential) (replaced bool) {
	t.Helper()
	replaced, err := c.refused(t.Context(), used)
	if err != nil {
		t.Error(err)
	}
	return replaced
}

func TestCredentialIsReadAgainOnce(t *testing.T) {
	v := &vault{}
	c, first := hold(t, v)
	for range 3 {
		if refuse(t, c, first) {
			t.Error("replaced by itself")
		}
	}
	if v.fetches.Load() != 2 {
		t.Errorf("read %d times, want at the start and once", v.fetches.Load())
	}
	if again, err := c.get(t.Context()); again != first || err != nil {
		t.Errorf("%v, %v", again, err)
	}
}

func TestCredentialThatHasChanged(t *testing.T) {
	v := &vault{}
	c, first := hold(t, v)
	v.value.Add(1)
	for range 2 { // the second one is a request that was under way with the same credential
		if !refuse(t, c, first) {
			t.Error("not replaced")
		}
	}
	second, err := c.get(t.Context())
	if err != nil || second == first || second.header.Get("Authorization") != "Bearer 1" || v.fetches.Load() != 2 {
		t.Fatalf("%v, %v, %d", second.header, err, v.fetches.Load())
	}
	// One that was never good is not replaced, whatever is there: a loop would have no end.
	v.value.Add(1)
	if refuse(t, c, second) || v.fetches.Load() != 2 {
		t.Errorf("replaced, %d fetches", v.fetches.Load())
	}
	second.proven.Store(true)
	if !refuse(t, c, second) || v.fetches.Load() != 3 {
		t.Errorf("not replaced, %d fetches", v.fetches.Load())
	}
}

// All that are refused at once wait for one fetch, and are told the same.
func TestManyAreRefusedAtOnce(t *testing.T) {
	v := &vault{}
	c, first := hold(t, v)
	v.value.Add(1)
	v.begun, v.release = make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	var replaced atomic.Int64
	refused := func() {
		if refuse(t, c, first) {
			replaced.Add(1)
		}
	}
	all.Go(refused)
	<-v.begun
	for range 20 {
		all.Go(refused)
	}
	close(v.release)
	all.Wait()
	if replaced.Load() != 21 || v.fetches.Load() != 2 {
		t.Errorf("%d of 21 are tried again, %d fetches", replaced.Load(), v.fetches.Load())
	}
}

// One that is over is waited for, by all together.
func TestCredentialThatIsOver(t *testing.T) {
	v := &vault{lives: time.Hour}
	c, first := hold(t, v)
	if again, err := c.get(t.Context()); again != first || err != nil || v.fetches.Load() != 1 {
		t.Errorf("%v, %v, %d fetches", again, err, v.fetches.Load())
	}
	first.ends = time.Now().Add(-time.Second)
	first.due.Store(first.ends.UnixNano())
	v.begun, v.release = make(chan struct{}, 1), make(chan struct{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if again, err := c.get(t.Context()); again == first || err != nil {
				t.Errorf("%v, %v", again, err)
			}
		})
	}
	<-v.begun
	close(v.release)
	all.Wait()
	if v.fetches.Load() != 2 {
		t.Errorf("%d fetches", v.fetches.Load())
	}
}

// One that ends soon is replaced while it is used: nobody waits, and nobody is the worse
// for it if there is no other one yet.
func TestCredentialThatEndsSoon(t *testing.T) {
	v := &vault{lives: time.Hour, early: 2 * time.Hour}
	c, first := hold(t, v)
	v.begun, v.release = make(chan struct{}, 1), make(chan struct{})
	for range 20 {
		if again, err := c.get(t.Context()); again != first || err != nil {
			t.Errorf("%v, %v", again, err)
		}
	}
	<-v.begun
	v.early = 0
	close(v.release)
	second, err := c.renew(t.Context(), first)
	if held, herr := c.get(t.Context()); err != nil || herr != nil || second == first || held != second || v.fetches.Load() != 2 {
		t.Errorf("%v, %v, %v, %d fetches", second, err, herr, v.fetches.Load())
	}
	v.begun, v.fault = nil, errors.New("away")
	second.due.Store(time.Now().UnixNano())
	if _, err := c.renew(t.Context(), second); err == nil {
		t.Error("no fault")
	}
	for range 20 {
		if again, err := c.get(t.Context()); again != second || err != nil {
			t.Errorf("%v, %v", again, err)
		}
	}
	if v.fetches.Load() != 3 || second.isDue(time.Now()) {
		t.Errorf("%d fetches, asked again at once", v.fetches.Load())
	}
}

func TestCredentialCannotBeHad(t *testing.T) {
	v := &vault{fault: errors.New("no such file")}
	c := &credentials{fetch: v.fetch, bound: time.Minute}
	if _, err := c.get(t.Context()); !errors.Is(err, v.fault) {
		t.Errorf("%v", err)
	}
	v.fault = nil
	if _, err := c.get(t.Context()); err != nil {
		t.Errorf("not asked again: %v", err)
	}
	// Who is cancelled does not wait, and takes it from nobody else.
	v.begun, v.release = make(chan struct{}, 1), make(chan struct{})
	over := c.held.Load()
	over.ends = time.Now().Add(-time.Second)
	over.due.Store(over.ends.UnixNano())
	ctx, cancel := context.WithCancelCause(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := c.get(ctx); !errors.Is(err, errTimeout) {
			t.Errorf("%v", err)
		}
	})
	<-v.begun
	all.Go(func() {
		if _, err := c.get(t.Context()); err != nil {
			t.Error(err)
		}
	})
	cancel(errTimeout)
	close(v.release)
	all.Wait()
	// It can't be read again: the old one stays, and it is asked for at the next 401.
	old := c.held.Load()
	old.proven.Store(true)
	v.begun, v.fault = nil, errors.New("gone")
	if replaced, err := c.refused(t.Context(), old); replaced || !errors.Is(err, v.fault) || c.held.Load() != old {
		t.Error("replaced by nothing")
	}
	v.fault = nil
	v.value.Add(1)
	if !refuse(t, c, old) {
		t.Error("not asked for again")
	}
}
