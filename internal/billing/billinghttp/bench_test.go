package billinghttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

const benchConcurrency = 64

func benchServer(b *testing.B) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"status":"done"}`)
	}))
	b.Cleanup(s.Close)
	return s
}

func report(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkSend(b *testing.B) {
	s := benchServer(b)
	c := newClient(b, s.URL, func(cfg *Config) { cfg.Concurrency = benchConcurrency })
	m := message(b, c)
	b.ReportAllocs()
	b.SetParallelism(benchConcurrency / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if reply := c.Send(context.Background(), m, allow); reply.Outcome != billing.Accepted {
				b.Error(reply.Reason)
			}
		}
	})
	report(b)
}

// BenchmarkBareClient is what the same requests cost without any of it.
func BenchmarkBareClient(b *testing.B) {
	s := benchServer(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchConcurrency}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	b.SetParallelism(benchConcurrency / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(s.URL+"/v1/invoices/7/send", "application/json", bytes.NewReader([]byte(`{"id":7}`)))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	report(b)
}

func BenchmarkRender(b *testing.B) {
	c := newClient(b, "https://api.example", nil)
	id := "7"
	inv := billing.Invoice{ID: "7", Row: []byte(`{"id":7}`), Columns: []*string{&id}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Render(inv); err != nil {
			b.Fatal(err)
		}
	}
}
