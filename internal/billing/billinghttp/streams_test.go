package billinghttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/billonce/billonce/internal/billing"
)

// framed is one connection of a server that speaks HTTP/2 frame by frame.
type framed struct {
	*http2.Framer
	n int64 // its number, from 1
}

// serveFrames runs script for every connection, and closes it afterwards.
func serveFrames(t testing.TB, script func(c *framed)) (url string, trust func(*Client)) {
	t.Helper()
	var accepted atomic.Int64
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{NextProtos: []string{http2.NextProtoTLS}}
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		http2.NextProtoTLS: func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
			defer conn.Close()
			c := &framed{Framer: http2.NewFramer(conn, conn), n: accepted.Add(1)}
			preface := make([]byte, len(http2.ClientPreface))
			if _, err := io.ReadFull(conn, preface); err == nil && c.WriteSettings() == nil {
				script(c)
			}
		},
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, func(c *Client) {
		c.transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
}

// next reads on to the end of a request, or to a reset; 0: the connection has gone.
func (c *framed) next() (stream uint32, reset http2.ErrCode) {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return 0, 0
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = c.WriteSettingsAck()
			}
		case *http2.PingFrame:
			_ = c.WritePing(true, f.Data)
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return f.StreamID, 0
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return f.StreamID, 0
			}
		case *http2.RSTStreamFrame:
			return f.StreamID, f.ErrCode
		}
	}
}

func (c *framed) reply(stream uint32) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
}

func (c *framed) replyToAll() {
	for {
		stream, _ := c.next()
		if stream == 0 {
			return
		}
		c.reply(stream)
	}
}

// RFC 9113, 8.7: a server that refuses a stream has done nothing with it.
func TestRefusedStreamIsNotSent(t *testing.T) {
	for _, body := range []string{"row", "none"} {
		for _, refusals := range []int64{1, staleTries} {
			var requests, asked atomic.Int64
			url, trust := serveFrames(t, func(c *framed) {
				for {
					stream, _ := c.next()
					if stream == 0 {
						return
					}
					if requests.Add(1) <= refusals {
						_ = c.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
						continue
					}
					c.reply(stream)
				}
			})
			c := newClient(t, url, func(cfg *Config) { cfg.Body = body })
			trust(c)
			reply := c.Send(context.Background(), message(t, c), func() error { asked.Add(1); return nil })
			checkReply(t, reply)
			if refusals == 1 {
				wantOutcome(t, reply, billing.Accepted, "")
			} else {
				wantOutcome(t, reply, billing.NotSent, "did not process")
			}
			if requests.Load() != asked.Load() {
				t.Errorf("body %s: asked %d times for %d requests", body, asked.Load(), requests.Load())
			}
		}
	}
}

// Any other reset says nothing of the kind, though net/http sends again what was reset
// with PROTOCOL_ERROR.
func TestResetStreamIsUnknown(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeCancel, http2.ErrCodeNo} {
		for _, body := range []string{"row", "none"} {
			var requests atomic.Int64
			url, trust := serveFrames(t, func(c *framed) {
				for {
					stream, _ := c.next()
					if stream == 0 {
						return
					}
					requests.Add(1)
					_ = c.WriteRSTStream(stream, code)
				}
			})
			c := newClient(t, url, func(cfg *Config) { cfg.Body = body })
			trust(c)
			wantOutcome(t, send(t, c), billing.Unknown, "the request had begun")
			if requests.Load() != 1 {
				t.Errorf("%s, body %s: %d requests", code, body, requests.Load())
			}
		}
	}
}

// RFC 9113, 6.8: what is above a GOAWAY's last stream was not processed, what is not
// above it may have been, whatever the GOAWAY says besides.
func TestGoAwayNamesTheLastStream(t *testing.T) {
	const senders = 4
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm} {
		for _, last := range []int{0, 1, 3} { // how many of the first connection's four it processed
			var begun sync.WaitGroup
			begun.Add(1)
			url, trust := serveFrames(t, func(c *framed) {
				if c.n > 1 {
					c.replyToAll()
					return
				}
				first, _ := c.next()
				begun.Done()
				for range senders - 1 {
					c.next()
				}
				// A client's streams are odd. After the GOAWAY the connection ends.
				_ = c.WriteGoAway(max(first+2*uint32(last), 2)-2, code, nil)
			})
			c := newClient(t, url, func(cfg *Config) { cfg.Concurrency = senders })
			trust(c)
			var counts [4]atomic.Int64
			var wg sync.WaitGroup
			wg.Go(func() { counts[send(t, c).Outcome].Add(1) })
			begun.Wait() // all the others find that connection
			for range senders - 1 {
				wg.Go(func() { counts[send(t, c).Outcome].Add(1) })
			}
			wg.Wait()
			if unknown, accepted := counts[billing.Unknown].Load(), counts[billing.Accepted].Load(); unknown != int64(last) || accepted != int64(senders-last) {
				t.Errorf("%s, %d processed: %d unknown, %d accepted", code, last, unknown, accepted)
			}
		}
	}
}

// A server that takes nothing more leaves no doubt.
func TestGoAwayForeverIsNotSent(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm} {
		url, trust := serveFrames(t, func(c *framed) {
			c.next()
			_ = c.WriteGoAway(0, code, nil)
		})
		c := newClient(t, url, nil)
		trust(c)
		wantOutcome(t, send(t, c), billing.NotSent, "did not process")
	}
}

// The connection has gone between the choice of it and the stream's begin.
func TestStreamThatNeverBegan(t *testing.T) {
	url, trust := serveFrames(t, (*framed).replyToAll)
	c := newClient(t, url, nil)
	trust(c)
	conn, err := tls.Dial("tcp", url[len("https://"):], c.TLS())
	if err != nil {
		t.Fatal(err)
	}
	cc, err := newStreams(1).transport.NewClientConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !cc.ReserveNewRequest() || cc.Close() != nil {
		t.Fatal("no stream, or no end of the connection")
	}
	req, err := c.request(t.Context(), c.shown(), message(t, c))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := cc.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	if !notProcessed(err) {
		t.Errorf("notProcessed(%v) is false", err)
	}
	if notProcessed(nil) || notProcessed(errors.New("http2: client connection lost")) || notProcessed(http2.GoAwayError{}) {
		t.Error("what may have been processed counts as not")
	}
}

// An HTTP/2 stream that is given up is reset. The others on its connection go on, and no
// new one begins there.
func TestAbandonedStreamIsReset(t *testing.T) {
	arrived, codes := make(chan int64), make(chan http2.ErrCode, 1)
	url, trust := serveFrames(t, func(c *framed) {
		if c.n > 1 {
			arrived <- c.n
			c.replyToAll()
			return
		}
		given, _ := c.next()
		arrived <- c.n
		other, _ := c.next()
		arrived <- c.n
		stream, code := c.next()
		if stream != given {
			t.Errorf("stream %d was reset, not %d", stream, given)
		}
		codes <- code
		c.reply(other)
		if next, _ := c.next(); next != 0 {
			arrived <- c.n
			c.reply(next)
		}
	})
	c := newClient(t, url, nil)
	trust(c)
	ctx, giveUp := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { wantOutcome(t, c.Send(ctx, message(t, c), allow), billing.Unknown, "cancelled") })
	<-arrived
	other := make(chan billing.Reply, 1)
	wg.Go(func() { other <- send(t, c) })
	<-arrived
	giveUp()
	if code := <-codes; code != http2.ErrCodeCancel {
		t.Errorf("the stream ended with %s", code)
	}
	wantOutcome(t, <-other, billing.Accepted, "")
	wg.Wait()
	last := make(chan billing.Reply, 1)
	wg.Go(func() { last <- send(t, c) })
	if n := <-arrived; n != 2 {
		t.Errorf("the next request came on connection %d", n)
	}
	wantOutcome(t, <-last, billing.Accepted, "")
	wg.Wait()
}
