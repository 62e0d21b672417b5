package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// The page is there, somebody can log in and has doubts to decide, and nothing is left
// behind.
func TestShow(t *testing.T) {
	batch := filepath.Join(t.TempDir(), "batch")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", batch, "github.com/billonce/billonce/cmd/batch").CombinedOutput(); err != nil {
		t.Fatalf("build batch: %v\n%s", err, text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &watched{want: regexp.MustCompile(`The page is at (\S+)`), found: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- show(ctx, options{batch: batch, addr: "127.0.0.1:0", password: "secret", invoices: 250}, out)
	}()
	var url string
	select {
	case url = <-out.found:
	case err := <-ended:
		t.Fatal(err)
	}
	if body := get(t, url+"decide"); !strings.Contains(body, "in doubt") {
		t.Errorf("want doubts to decide, got\n%s", body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, "secret")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, reply.Status, err)
	}
	return string(body)
}

// watched is an output that tells when a text has come.
type watched struct {
	want  *regexp.Regexp
	found chan string

	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if match := w.want.FindSubmatch(w.text.Bytes()); match != nil {
		w.want = regexp.MustCompile(`$^`)
		w.found <- string(match[1])
	}
	return len(p), nil
}
