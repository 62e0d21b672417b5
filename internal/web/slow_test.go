package web_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/web"
)

// Who sends too slowly, or too much, is let go; the page is served to others meanwhile.
func TestSlowAndLargeClients(t *testing.T) {
	t.Parallel()
	c, faults := web.Parse(web.Settings{Addr: "127.0.0.1:0"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	ctx, stop := context.WithCancel(t.Context())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, c, web.Page{Book: "invoices", Desk: quiet(), Log: zerolog.Nop()}, func(url string) {
			addr <- strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
		})
	}()
	at := <-addr
	dial := func(text string) net.Conn {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Error(err)
		}
		return conn
	}
	slow := dial("GET / HTTP/1.1\r\nHost: localhost\r\nX-")
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":                            "HTTP/1.1 200",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n": "HTTP/1.1 431",
		"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n":                           "HTTP/1.1 400",
	} {
		conn := dial(text)
		head := make([]byte, len(want))
		if _, err := io.ReadFull(conn, head); err != nil || string(head) != want {
			t.Errorf("%.60q: %q, %v, want %q", text, head, err, want)
		}
		_ = conn.Close()
	}
	if rest, err := io.ReadAll(slow); strings.Contains(string(rest), "200 OK") {
		t.Errorf("a slow client was answered %q, %v", rest, err)
	}
	_ = slow.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
