package report_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/browsertest"
	"github.com/billonce/billonce/internal/compare/report"
)

type size struct {
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// sheet is what the page says about itself in one look.
type sheet struct {
	Charts  []size   `json:"charts"`
	Unnamed int      `json:"unnamed"` // figures without title or description
	Twice   int      `json:"twice"`   // double billings that are seen
	Red     bool     `json:"red"`     // and are all of one colour that no other mark has
	Wider   float64  `json:"wider"`   // than the window
	Pale    []string `json:"pale"`    // texts with too little contrast (WCAG 2.2, 1.4.3)
	Scripts int      `json:"scripts"`
}

const lookAtSheet = `(() => {
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const box = e => e.getBoundingClientRect();
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const texts = all('h1, h2, p, li, th, td, figcaption, figcaption span, figcaption small, svg text');
  const twice = all('.mark-twice path'), others = all('.billed, .repeated');
  const fill = e => getComputedStyle(e).fill;
  return {
    charts: all('svg.chart').map(s => ({ width: box(s).width, height: box(s).height })),
    unnamed: all('svg[role=img]').filter(s => !all(':scope > title, :scope > desc', s).every(e => e.textContent.trim()) || all(':scope > title, :scope > desc', s).length !== 2).length,
    twice: twice.filter(e => box(e).width > 5 && box(e).height > 5).length,
    red: new Set(twice.map(fill)).size <= 1 && others.every(o => !twice.length || fill(o) !== fill(twice[0])),
    wider: document.documentElement.scrollWidth - innerWidth,
    pale: texts.filter(e => {
      const s = getComputedStyle(e);
      return contrast(light(rgb(e.ownerSVGElement ? s.fill : s.color)), light(behind(e))) < 4.5;
    }).map(e => e.textContent.trim().slice(0, 40)),
    scripts: document.scripts.length,
  };
})()`

func TestPage(t *testing.T) {
	t.Parallel()
	harmed := newSource().report()
	calm := report.New(harmed.Conditions, harmed.Samples, harmed.Drills[2:])
	twice := 0
	for _, d := range harmed.Drills {
		for _, e := range d.Events {
			if e.Kind == report.Twice {
				twice++
			}
		}
	}
	browser := browsertest.New(t)
	for _, look := range []struct {
		name  string
		of    report.Report
		width int64
		dark  bool
		twice int
	}{
		{"wide-light", harmed, 1280, false, twice},
		{"wide-dark", harmed, 1280, true, twice},
		{"narrow-light", harmed, 390, false, twice},
		{"narrow-dark", harmed, 390, true, twice},
		{"calm", calm, 1280, false, 0},
	} {
		t.Run(look.name, func(t *testing.T) {
			t.Parallel()
			tab := open(t, browser, html(t, look.of), look.width, look.dark)
			s := browsertest.Ask[sheet](t, tab.Tab, lookAtSheet)
			tab.Keep(t, look.name)
			if want := len(look.of.Drills) + 2 + 9; len(s.Charts) != want {
				t.Errorf("want %d charts, got %d", want, len(s.Charts))
			}
			for i, c := range s.Charts {
				if c.Width < 200 || c.Width > float64(look.width) || c.Height < 60 {
					t.Errorf("chart %d is %.0f by %.0f", i, c.Width, c.Height)
				}
			}
			if s.Twice != look.twice || !s.Red {
				t.Errorf("want %d double billings, in a colour of their own, got %d (%v)", look.twice, s.Twice, s.Red)
			}
			if s.Unnamed != 0 || s.Wider > 0 || len(s.Pale) > 0 || s.Scripts != 0 {
				t.Errorf("want figures named, nothing wider than the window, texts with contrast and no script, got %+v", s)
			}
			tab.check(t)
		})
	}
}

// TestPageForbidsTheNetwork: what someone might add to the page is not loaded.
func TestPageForbidsTheNetwork(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	t.Cleanup(elsewhere.Close)
	added := fmt.Sprintf(`<img src="%[1]s/img"><link rel="stylesheet" href="%[1]s/css"><script src="%[1]s/js"></script><iframe src="%[1]s/frame"></iframe></main>`, elsewhere.URL)
	page := strings.Replace(html(t, newSource().report()), "</main>", added, 1)
	tab := open(t, browsertest.New(t), page, 1280, false)
	images := browsertest.Ask[int](t, tab.Tab, `document.images.length`)
	select {
	case path := <-asked:
		t.Errorf("want nothing loaded, got a request for %s", path)
	default:
	}
	if images != 1 || len(tab.Complaints()) < 4 {
		t.Errorf("want the browser to refuse each of 4, got %d images and %q", images, tab.Complaints())
	}
}

func html(t *testing.T, r report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
