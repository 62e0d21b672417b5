package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/billonce/billonce/internal/browsertest"
)

var (
	page     = flag.String("page", "", "a report's page to take pictures of")
	pictures = flag.String("pictures", "", "the folder that takes them")
)

// TestPicture takes the README's pictures (make report): the page's top, down to
// the fourth timeline.
func TestPicture(t *testing.T) {
	t.Parallel()
	if *page == "" || *pictures == "" {
		t.Skip("-page and -pictures say what of, and where to")
	}
	text, err := os.ReadFile(*page)
	if err != nil {
		t.Fatal(err)
	}
	browser := browsertest.New(t)
	for name, dark := range map[string]bool{"compare-light.png": false, "compare-dark.png": true} {
		tab := open(t, browser, string(text), 1120, dark)
		height := browsertest.Ask[float64](t, tab.Tab, `document.querySelectorAll('.timeline')[3].getBoundingClientRect().bottom + 20`)
		if err := chromedp.Do(tab.Ctx, chromedp.EmulateViewport(1120, int64(height))); err != nil {
			t.Fatal(err)
		}
		picture, err := chromedp.Run(tab.Ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*pictures, name), picture, 0o644); err != nil {
			t.Fatal(err)
		}
		tab.check(t)
	}
}
