package report_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/browsertest"
)

// tab shows one page.
type tab struct {
	*browsertest.Tab
	url string
}

func open(t *testing.T, browser browsertest.Browser, page string, width int64, dark bool) tab {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	}))
	t.Cleanup(server.Close)
	tab := tab{browser.Open(t, nil), server.URL + "/"}
	tab.Look(t, browsertest.Look{Width: width, Dark: dark})
	tab.Go(t, tab.url)
	return tab
}

// check wants no complaint, and no request but the one for the page.
func (b tab) check(t *testing.T) {
	t.Helper()
	if said := b.Complaints(); len(said) != 0 {
		t.Errorf("want nothing in the console, got %q", said)
	}
	for _, url := range b.Requests() {
		if url != b.url && !strings.HasPrefix(url, "data:") {
			t.Errorf("want no request, got one for %s", url)
		}
	}
	if !slices.Contains(b.Requests(), b.url) {
		t.Errorf("want the page to be seen among %q", b.Requests())
	}
}
