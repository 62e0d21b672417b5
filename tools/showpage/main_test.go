package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/billonce/billonce/internal/browsertest"
)

var pictures = flag.String("pictures", "", "the folder that takes the manual's pictures of the page")

// The page is there, somebody can log in and has doubts to decide, and nothing is left
// behind.
func TestShow(t *testing.T) {
	url, end := open(t, 250)
	if body := get(t, url+"decide"); !strings.Contains(body, "in doubt") {
		t.Errorf("want doubts to decide, got\n%s", body)
	}
	end()
}

// TestPicture takes the manual's pictures (make page-pictures): Tonight, while a run is
// under way, down to the nights; and what is to be decided.
func TestPicture(t *testing.T) {
	if *pictures == "" {
		t.Skip("-pictures says where to")
	}
	const width = 1280
	url, end := open(t, 1200)
	defer end()
	tab := browsertest.New(t).Open(t, map[string]any{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))})
	tab.Look(t, browsertest.Look{Width: width})
	for _, p := range []struct{ name, path, bottom string }{
		{"serve-decide.png", "decide", "p.acting"},
		{"serve-tonight.png", "", "figure"},
	} {
		tab.Go(t, url+p.path)
		height := browsertest.Ask[float64](t, tab, `new Promise(there => {
			const look = () => {
				const bar = document.querySelector('progress');
				if (location.pathname === '/' && !(bar && bar.position > 0.65)) return setTimeout(look, 200);
				there(document.querySelector('`+p.bottom+`').getBoundingClientRect().bottom + 24);
			};
			look();
		})`)
		tab.Do(t, chromedp.EmulateViewport(width, int64(height)))
		picture, err := chromedp.Run(tab.Ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*pictures, p.name), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const password = "secret"

// open shows the page until end is called, which waits until nothing is left behind.
func open(t *testing.T, invoices int) (url string, end func()) {
	t.Helper()
	batch := filepath.Join(t.TempDir(), "batch")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", batch, "github.com/billonce/billonce/cmd/batch").CombinedOutput(); err != nil {
		t.Fatalf("build batch: %v\n%s", err, text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &watched{want: regexp.MustCompile(`The page is at (\S+)`), found: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- show(ctx, options{batch: batch, addr: "127.0.0.1:0", password: password, invoices: invoices}, out)
	}()
	select {
	case url = <-out.found:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	return url, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
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
