package billingfake

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is far above what anything here takes; it turns a hang into a fault.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves an API until the test ends.
func serve(t testing.TB, c Config) (*API, string) {
	t.Helper()
	a := New(c)
	s, err := Listen("127.0.0.1:0", a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return a, s.URL()
}

// client follows no redirects and keeps no connections.
func client(t testing.TB) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func always(f Fault) func(Received) Fault {
	return func(Received) Fault { return f }
}

func sendPath(id string) string { return "/v1/invoices/" + id + "/send" }

// ask has the API answer in this goroutine, without a network.
func ask(a *API, method, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// dial sends bytes on a raw connection, which the test reads from.
func dial(t *testing.T, url, request string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // closed already by some tests
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

const rawSend = "POST /v1/invoices/7/send HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}"

// answer is a reply whose body has been read, as far as it came.
type answer struct {
	status int
	header http.Header
	length int64 // as Content-Length has it
	body   string
}

// readReply reads one reply with net/http's own parser.
func readReply(from io.Reader) (answer, error) {
	resp, err := http.ReadResponse(bufio.NewReader(from), nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, string(body)}, err
}

func dialQuick(url string) (net.Conn, error) {
	return net.Dial("tcp", strings.TrimPrefix(url, "http://"))
}

// skipReply reads past one plain success, whose body ends in the only }.
func skipReply(from *bufio.Reader) error {
	_, err := from.ReadSlice('}')
	return err
}
