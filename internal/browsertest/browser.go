// Package browsertest looks at pages in a real headless Chromium, for tests.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one step may take: what never becomes visible has no other end.
const patience = time.Minute

// Browser is a headless Chromium.
type Browser struct{ ctx context.Context }

// New starts one for a test. Where none is installed the test is skipped, but not in CI.
func New(t *testing.T) Browser {
	t.Helper()
	// The sandbox wants a user that is not root; the pages are our own.
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()),
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Flag("hide-scrollbars", true))
	t.Cleanup(cancel)
	ctx, closeBrowser := chromedp.NewContext(ctx)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return Browser{ctx}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("Chromium is not installed")
	}
	t.Skip("Chromium is not installed (Debian: apt-get install chromium): nobody looked at the page")
	return ""
}

// Tab shows one page after the other, and notes what the browser complains about and asks
// for.
type Tab struct {
	Ctx context.Context

	mu       sync.Mutex
	said     []string
	requests []string
}

// Open opens an empty tab. It sends the headers with each request.
func (b Browser) Open(t *testing.T, headers map[string]any) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	tab := &Tab{Ctx: ctx}
	if err := chromedp.Listen(ctx, tab.note); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	if _, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers}); err != nil {
		t.Fatal(err)
	}
	return tab
}

// Look is what a page is looked at on.
type Look struct {
	Width int64 // CSS pixels
	Dark  bool
	Print bool
}

// String names the look in a file's name.
func (l Look) String() string {
	name := fmt.Sprint(l.Width)
	if l.Dark {
		name += "-dark"
	}
	if l.Print {
		name += "-print"
	}
	return name
}

// Look shows the page so.
func (b *Tab) Look(t *testing.T, l Look) {
	t.Helper()
	scheme, medium := "light", ""
	if l.Dark {
		scheme = "dark"
	}
	if l.Print {
		medium = "print"
	}
	if _, err := chromedp.Call(b.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	b.Do(t, chromedp.EmulateViewport(l.Width, 900))
}

// Go loads a page.
func (b *Tab) Go(t *testing.T, url string) {
	t.Helper()
	b.Do(t, chromedp.Navigate(url))
}

// Do does what people do.
func (b *Tab) Do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func (b *Tab) step() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(b.Ctx, patience, fmt.Errorf("the page did not do it within %s", patience))
}

// Follow does what leads to another page, and waits for that.
func (b *Tab) Follow(t *testing.T, action chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		t.Fatal(err)
	}
}

func (b *Tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// Complaints are what the browser has said.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said)
}

// Requests are the URLs that were asked for.
func (b *Tab) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// Ask runs an expression in the page; of a promise it waits for the value.
func Ask[T any](t *testing.T, b *Tab, expression string) T {
	t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Keep writes a picture of the whole page, for people: go test -artifacts.
func (b *Tab) Keep(t *testing.T, name string) {
	t.Helper()
	picture, err := chromedp.Run(b.Ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		t.Error(err)
	}
}
