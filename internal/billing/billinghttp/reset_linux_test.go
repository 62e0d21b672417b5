package billinghttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// A request that is given up while the kernel still holds some of it must not arrive
// later: its connection is reset, not closed (SO_LINGER, socket(7)).
func TestAbandonedConnectionDropsWhatHasNotLeft(t *testing.T) {
	// A server whose window is small, and that doesn't read until it is told to.
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	l, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const body = 256 << 10 // more than the window, less than what a kernel takes from a writer
	c := newClient(t, "http://"+l.Addr().String(), func(cfg *Config) { cfg.Body = `{"x": "` + strings.Repeat("x", body) + `"}` })
	ctx, giveUp := context.WithCancel(context.Background())
	dial := c.transport.DialContext
	c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			gated := conn.(*gatedConn)
			_ = gated.Conn.(*net.TCPConn).SetWriteBuffer(4 * body)
			gated.Conn = &leaving{TCPConn: gated.Conn.(*net.TCPConn), body: body, giveUp: giveUp}
		}
		return conn, err
	}
	reply := make(chan billing.Reply, 1)
	go func() { reply <- c.Send(ctx, message(t, c), allow) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantOutcome(t, <-reply, billing.Unknown, "the request had begun")
	var came bytes.Buffer
	_, err = io.Copy(&came, conn)
	if !errors.Is(err, syscall.ECONNRESET) || came.Len() >= body {
		t.Errorf("%d bytes came, then %v", came.Len(), err)
	}
}

// leaving gives up once the kernel has taken the whole request.
type leaving struct {
	*net.TCPConn
	body, taken int
	giveUp      context.CancelFunc
}

func (c *leaving) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	if c.taken += n; c.taken > c.body {
		c.giveUp()
	}
	return n, err
}
