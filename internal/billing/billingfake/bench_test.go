package billingfake

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkPlain is the cost of the API alone, without net/http.
func BenchmarkPlain(b *testing.B) {
	for _, idempotent := range []bool{false, true} {
		b.Run(fmt.Sprintf("idempotent=%t", idempotent), func(b *testing.B) {
			a := New(Config{Idempotent: idempotent})
			r, err := http.NewRequest(http.MethodPost, "http://x/", nil)
			if err != nil {
				b.Fatal(err)
			}
			body := strings.NewReader("")
			r.Body = io.NopCloser(body)
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				r.URL.Path = fmt.Sprintf("/v1/invoices/%d/send", n)
				r.Header["Idempotency-Key"] = []string{fmt.Sprintf("b1a2c3d4-0000-4000-8000-%012d", n)}
				body.Reset(benchBody)
				a.ServeHTTP(w, r)
			}
			if a.Effects() != a.Requests() {
				b.Fatalf("%+v", a.Counts())
			}
		})
	}
}

// BenchmarkServer is what a client sees, one that costs next to nothing itself.
// With -cpu 1 both share one core.
func BenchmarkServer(b *testing.B) {
	a, url := serve(b, Config{Idempotent: true})
	b.RunParallel(func(pb *testing.PB) {
		conn, err := dialQuick(url)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		replies := bufio.NewReader(conn)
		for n := 0; pb.Next(); n++ {
			_, err := fmt.Fprintf(conn, "POST /v1/invoices/%s-%d/send HTTP/1.1\r\nHost: x\r\nIdempotency-Key: %s-%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				conn.LocalAddr(), n, conn.LocalAddr(), n, len(benchBody), benchBody)
			if err != nil {
				b.Error(err)
				return
			}
			if err := skipReply(replies); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	if a.Effects() != b.N {
		b.Errorf("%d effects of %d", a.Effects(), b.N)
	}
}

const benchBody = `{"id":1234567,"customer":"Customer 1234567","amount_cents":129900,"currency":"EUR","due_date":"2026-03-01"}`

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
