package web_test

import (
	"context"
	"encoding/base64"
	"flag"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/browsertest"
)

var pictures = flag.Bool("pictures", false, "keep a picture of each page in each look: go test -artifacts -pictures")

// looks are a phone, a laptop and a wide screen, by day, by night and on paper.
func looks() (all []browsertest.Look) {
	for _, width := range []int64{390, 1280, 2560} {
		all = append(all, browsertest.Look{Width: width}, browsertest.Look{Width: width, Dark: true}, browsertest.Look{Width: width, Print: true})
	}
	return all
}

// aNight is a book after nights that left something of everything, with words that an
// API or a customer could have chosen badly, while a run goes on.
func aNight(t *testing.T) *served {
	t.Helper()
	s := serve(t, 90, left("in_doubt", "select generate_series(1, 60)"), left("failed", "61, 62"), left("retry", "63"), left("sent", "64, 65"),
		`update billonce.deliveries set error = 'connection reset by peer after the request was sent' where invoice_id between 3 and 60`,
		`update billonce.deliveries set amount = 1234567.89, error = '<b>' || repeat('unbreakable', 40) where invoice_id in (1, 61)`,
		`update invoices set customer = repeat('Anna-Maria-', 12) where id = 1`,
		`insert into billonce.set_aside (invoice_id, reason, run_id) select 70, 'BILLING_BODY: customer is NULL', gen_random_uuid()`,
		`insert into billonce.reconciliations (reconciliation_id, made_by, file, file_sha256, decided, figures) values ('`+listed+`', 'eve',
			'provider.csv', sha256('x'), 'resolve', '{"lines": 12, "agreed": 9, "differ": 21, "decided": {"done": 1, "left": 0}, "kinds": {
				"agreed": {"count": 9, "sums": [{"currency": "EUR", "count": 9, "theirs": "1234.5"}]}, "ours_only": {"count": 21}},
			"examples": {"ours_only": [{"kind": "ours_only", "invoice_id": "7", "state": "sent"}]}}')`,
		`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, finished_at, exit_code, summary)
		select gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'billonce/night-' || n, 'test', now() - n * interval '1 day',
			now() - n * interval '1 day' + interval '9 minutes', case n % 7 when 0 then 3 else 0 end, jsonb_build_object('sent', 900 + n * 7919 % 430)
		from generate_series(20, 1, -1) n`,
		`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at)
			values ('`+live+`', 'invoices', 'advisory', 'exclusive', 'billonce/live', 'test', now() - interval '42 s')`,
		left("retry", "66"), `update billonce.deliveries set run_id = '`+live+`', http_status = 429, retry_since = now() where invoice_id = 66`)
	cfg := s.cfg.Copy()
	cfg.RuntimeParams["application_name"] = "billonce/live" // by that a run is known to be alive
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return s
}

// live is aNight's run that is under way, and throttled.
const live = "20000000-0000-4000-8000-000000000002"

// listed is the reconciliation of aNight.
const listed = "10000000-0000-4000-8000-000000000001"

// tab is one where somebody is logged in.
func (s *served) tab(t *testing.T, browser browsertest.Browser, who string) *browsertest.Tab {
	t.Helper()
	return browser.Open(t, map[string]any{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(who+":"+who[:1]))})
}

// Each page at each width, by day, by night and on paper: nothing wider than the screen,
// nothing in the console, no request to elsewhere, and no barrier that axe-core knows.
func TestPages(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	s, calm := aNight(t), serve(t, 0)
	for name, p := range map[string]struct {
		*served
		who, path string
	}{
		"tonight":         {s, "ann", "/"},
		"tonight-calm":    {calm, "ann", "/"},
		"decide":          {s, "ann", "/decide"},
		"decide-calm":     {calm, "bob", "/decide"},
		"open-in-doubt":   {s, "ann", "/open?kind=in_doubt"},
		"open-as-reader":  {s, "bob", "/open?kind=in_doubt"},
		"open-set-aside":  {s, "ann", "/open?kind=set_aside"},
		"invoice":         {s, "ann", "/invoice?id=1"},
		"invoice-untried": {s, "bob", "/invoice?id=80"},
		"invoice-nowhere": {s, "ann", "/invoice?id=" + url.QueryEscape("4711")},
		"search":          {s, "ann", "/search?q=in_4711"},
		"searched":        {s, "ann", "/search?by=reply_id&q=in_4711"},
		"reconciled":      {s, "ann", "/reconciled"},
		"reconciled-one":  {s, "ann", "/reconciled?id=" + listed},
		"reconciled-calm": {calm, "bob", "/reconciled"},
		"no-such-list":    {s, "ann", "/open?kind=nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			tab := p.tab(t, browser, p.who)
			tab.Look(t, looks()[0])
			tab.Go(t, p.url+p.path)
			s.examine(t, tab, name, p.url)
		})
	}
}

// examine looks at the page that a tab shows.
func (s *served) examine(t *testing.T, tab *browsertest.Tab, name, url string) {
	t.Helper()
	for _, look := range looks() {
		if look.Dark && look.Width != 1280 && !*pictures {
			continue // it is as wide as by day
		}
		tab.Look(t, look)
		if wider := browsertest.Ask[float64](t, tab, "document.documentElement.scrollWidth - innerWidth"); wider > 0 {
			t.Errorf("%s: the page is %.0f pixels wider than the screen", look, wider)
		}
		if look.Width == 1280 && !look.Print { // colours differ between these two, nothing else does
			for _, barrier := range tab.Barriers(t) {
				t.Errorf("%s: %s", look, barrier)
			}
		}
		if *pictures {
			tab.Keep(t, name+"-"+look.String())
		}
	}
	tab.Look(t, looks()[0])
	for _, said := range tab.Complaints() {
		if !strings.Contains(said, "status of 404") { // of the page itself: that is right
			t.Errorf("want nothing in the console, got %q", said)
		}
	}
	for _, asked := range tab.Requests() {
		if !strings.HasPrefix(asked, url+"/") && !strings.HasPrefix(asked, "data:") {
			t.Errorf("want no request to elsewhere, got one for %s", asked)
		}
	}
}

// Ann decides about what she has chosen, with the mouse; then about one, with the keyboard
// alone. Each page on the way is examined.
func TestDecideByClickAndByKeyboard(t *testing.T) {
	t.Parallel()
	browser := browsertest.New(t)
	s := serve(t, 3, left("in_doubt", "1, 2, 3"))
	tab := s.tab(t, browser, "ann")
	tab.Look(t, looks()[0])
	tab.Go(t, s.url+"/decide")
	tab.Follow(t, chromedp.Click(`tbody a`))
	tab.Do(t, chromedp.Click(`tbody tr:nth-child(1) input`), chromedp.Click(`tbody tr:nth-child(2) input`),
		chromedp.Click(`input[value=sent]`), chromedp.SendKeys(`#reason`, "seen in the provider's books"))
	tab.Follow(t, chromedp.Click(`form.deciding button`))
	s.examine(t, tab, "preview", s.url)
	if got := s.states(); got != "1:in_doubt 2:in_doubt 3:in_doubt" {
		t.Errorf("a preview changed something: %s", got)
	}
	tab.Follow(t, chromedp.Click(`.confirm`))
	s.examine(t, tab, "decided", s.url)
	if got := s.states(); got != "1:in_doubt 2:sent! 3:sent!" { // the most money first
		t.Errorf("by click: %s", got)
	}

	tab.Go(t, s.url+"/open?kind=in_doubt")
	keys(t, tab, "INPUT[name=pick]", " ")
	keys(t, tab, "INPUT[name=decision]", " ")
	keys(t, tab, "TEXTAREA", "nobody owes it")
	keys(t, tab, "BUTTON", kb.Enter)
	tab.Do(t, chromedp.WaitVisible(`.confirm`))
	keys(t, tab, "BUTTON.confirm", kb.Enter)
	tab.Do(t, chromedp.WaitVisible(`.verdict.good`))
	if got := s.states(); got != "1:sent! 2:sent! 3:sent!" {
		t.Errorf("by keyboard: %s", got)
	}
}

// All of a page are chosen by one key, a row of them by Shift and the arrows, and the page
// says how many.
func TestChooseByKeyboard(t *testing.T) {
	t.Parallel()
	s := serve(t, 4, left("in_doubt", "1, 2, 3, 4"))
	tab := s.tab(t, browsertest.New(t), "ann")
	tab.Go(t, s.url+"/open?kind=in_doubt")
	chosen := func(want string) {
		t.Helper()
		got := browsertest.Ask[string](t, tab, `[...document.querySelectorAll('[name=pick]')].map(b => b.checked ? 'x' : '-').join('') + document.querySelector('.choose [role=status]').textContent`)
		if got != want {
			t.Errorf("chosen: %q, want %q", got, want)
		}
	}
	chosen("----")
	keys(t, tab, "INPUT.everyone", " ")
	chosen("xxxx 4 chosen")
	tab.Do(t, chromedp.KeyEvent(" "))
	chosen("----")
	keys(t, tab, "INPUT[name=pick]", " ")
	tab.Do(t, chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown, chromedp.KeyModifiers(chromedp.ModifierShift)))
	chosen("xxx- 3 chosen")
	tab.Do(t, chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(" "))
	chosen("x-x- 2 chosen")
	s.examine(t, tab, "choosing", s.url)
}

// keys goes on by Tab until what is meant has the focus, and types.
func keys(t *testing.T, tab *browsertest.Tab, selector, typed string) {
	t.Helper()
	for range 60 {
		tab.Do(t, chromedp.KeyEvent(kb.Tab))
		if browsertest.Ask[bool](t, tab, "document.activeElement.closest('main') !== null && document.activeElement.matches('"+selector+"')") {
			tab.Do(t, chromedp.KeyEvent(typed))
			return
		}
	}
	t.Fatalf("the keyboard does not lead to %s", selector)
}

// The first page tells what changes without being loaded again, and leaves the rest alone.
func TestTheFirstPageIsLive(t *testing.T) {
	t.Parallel()
	s := serve(t, 3, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, finished_at, exit_code)
		values (gen_random_uuid(), 'invoices', 'row', 'off', 'billonce/x', 'test', now(), now(), 0)`)
	tab := s.tab(t, browsertest.New(t), "bob")
	tab.Go(t, s.url+"/")
	before := browsertest.Ask[string](t, tab, `window.table = document.querySelector('#now table'), document.querySelector('.verdict').textContent`)
	s.execute(left("in_doubt", "1, 2"))
	after := browsertest.Ask[string](t, tab, `new Promise(told => {
		const look = () => { const text = document.querySelector('.verdict').textContent; if (text.includes('need a person')) told(text); };
		new MutationObserver(look).observe(document.querySelector('#now'), {subtree: true, childList: true, characterData: true});
		look();
	})`)
	if !strings.Contains(before, "All is well") || !strings.Contains(after, "2 invoices need a person") {
		t.Errorf("%q became %q", before, after)
	}
	if !browsertest.Ask[bool](t, tab, `window.table === document.querySelector('#now table')`) {
		t.Error("what has not changed was made anew: focus and selection are lost")
	}
}
