package web

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Log-ins whose password is not known yet: bcrypt is slow on purpose, and guessing has
// to be slower. Each peer has its own pace, so that who guesses keeps out nobody else.
const (
	loginsASecond = 2
	loginsAtOnce  = 10
	loginWait     = 10 * time.Second

	// bcryptsAtOnce bounds what all peers together cost.
	bcryptsAtOnce = 4

	// peersKept bounds what is remembered of them. The others share one pace.
	peersKept = 4096
)

// logins slows guessing down.
type logins struct {
	hashing chan struct{} // holds one for each password that is being tried

	mu     sync.Mutex
	peers  map[netip.Addr]*rate.Limiter
	others *rate.Limiter
}

func newLogins() *logins {
	return &logins{hashing: make(chan struct{}, bcryptsAtOnce), peers: map[netip.Addr]*rate.Limiter{}, others: newPace()}
}

func newPace() *rate.Limiter { return rate.NewLimiter(loginsASecond, loginsAtOnce) }

// begin waits for a peer's turn; false: it would take too long. After true, end follows.
func (l *logins) begin(ctx context.Context, remote string) bool {
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	if l.of(remote).Wait(ctx) != nil {
		return false
	}
	select {
	case l.hashing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *logins) end() { <-l.hashing }

// of is the pace of a peer: an address, or a network of IPv6 as one household has it.
func (l *logins) of(remote string) *rate.Limiter {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return l.others
	}
	addr := peer.Addr().Unmap().WithZone("")
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if pace := l.peers[addr]; pace != nil {
		return pace
	}
	if len(l.peers) >= peersKept {
		l.forgetIdle()
	}
	if len(l.peers) >= peersKept {
		return l.others
	}
	l.peers[addr] = newPace()
	return l.peers[addr]
}

// forgetIdle drops the peers that a new pace would treat no better.
func (l *logins) forgetIdle() {
	for addr, pace := range l.peers {
		if pace.Tokens() >= loginsAtOnce {
			delete(l.peers, addr)
		}
	}
}
