package web

import (
	"context"
	"fmt"
	"testing"
)

// Whoever guesses waits; that keeps out nobody else, and takes no memory of theirs.
func TestGuessingIsSlowedDownForEachPeer(t *testing.T) {
	t.Parallel()
	l := newLogins()
	at := func(remote string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), loginWait/1000)
		defer cancel()
		if !l.begin(ctx, remote) {
			return false
		}
		l.end()
		return true
	}
	let := 0
	for port := range 1000 {
		if at(fmt.Sprintf("10.0.0.7:%d", port+1)) {
			let++
		}
	}
	if let < loginsAtOnce || let > loginsAtOnce+100 {
		t.Errorf("%d of a thousand passwords were tried at once, want about %d", let, loginsAtOnce)
	}
	if !at("10.0.0.8:1") {
		t.Error("another peer waits for who guesses")
	}
	for range loginsAtOnce {
		at("[2001:db8::1]:1")
	}
	if at("[2001:db8::2]:1") && at("[2001:db8::3]:1") && at("[2001:db8::4]:1") {
		t.Error("who has a network of addresses guesses with each of them")
	}
	for n := range 20 * peersKept {
		l.of(fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255)).Allow()
	}
	if len(l.peers) > peersKept {
		t.Errorf("%d peers are remembered, want at most %d", len(l.peers), peersKept)
	}
	for range bcryptsAtOnce {
		l.hashing <- struct{}{}
	}
	if at("10.9.9.9:1") {
		t.Errorf("more than %d passwords are hashed at once", bcryptsAtOnce)
	}
}
