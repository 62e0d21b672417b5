package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/web"
)

func (s *served) pickAll(who, path string) []string {
	s.Helper()
	code, page := s.get(who, path)
	all := picks(page)
	if code != 200 || len(all) == 0 {
		s.Fatalf("%d: nothing to pick at %s:\n%s", code, path, page)
	}
	return all
}

// previewed is what the form of a preview would send.
func (s *served) previewed(who, decision string, picked []string) url.Values {
	s.Helper()
	code, page := s.post(who, "/preview", url.Values{"pick": picked, "decision": {decision}, "reason": {"because"}})
	if code != 200 {
		s.Fatalf("preview: %d\n%s", code, page)
	}
	return url.Values{"pick": picks(page)}
}

// Only who is named in SERVE_DECIDERS decides; a reader is not even shown a form.
func TestOnlyDecidersDecide(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("in_doubt", "1"))
	form := s.previewed("ann", "cancel", s.pickAll("ann", "/open?kind=in_doubt"))
	for who, want := range map[string]int{"bob": 403, "": 401, "nobody": 401} {
		for _, path := range []string{"/preview", "/confirm"} {
			if code, _ := s.post(who, path, form); code != want {
				t.Errorf("%s as %q: %d, want %d", path, who, code, want)
			}
		}
	}
	for _, path := range []string{"/open?kind=in_doubt", "/invoice?id=1"} {
		if _, page := s.get("bob", path); strings.Contains(page, `method="post"`) || len(picks(page)) > 0 {
			t.Errorf("%s shows a reader a form:\n%s", path, page)
		}
	}
	if got := s.states(); got != "1:in_doubt" {
		t.Error(got)
	}
}

// Without authentication nobody has a name, and nobody decides.
func TestWithoutAuthenticationNobodyDecides(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{}, quiet())
	for _, path := range []string{"/preview", "/confirm"} {
		if got := ask(h, "POST", "http://localhost"+path, nil).Code; got != 403 {
			t.Errorf("%s: %d, want 403", path, got)
		}
	}
}

// Another site's form is refused, though the browser adds the decider's password.
func TestAForeignSitesFormIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("in_doubt", "1"))
	form := s.previewed("ann", "sent", s.pickAll("ann", "/open?kind=in_doubt"))
	for name, header := range map[string][2]string{
		"cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"},
		"an older browser": {"Origin", "https://evil.example"}, "a sandboxed frame": {"Origin", "null"},
	} {
		code, _ := s.ask("ann", "POST", "/confirm", form, func(r *http.Request) { r.Header.Set(header[0], header[1]) })
		if code != 403 || s.states() != "1:in_doubt" {
			t.Errorf("%s: %d, %s", name, code, s.states())
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		if code, _ := s.ask("ann", method, "/confirm?"+form.Encode(), nil, nil); code != 405 || s.states() != "1:in_doubt" {
			t.Errorf("%s: %d, %s", method, code, s.states())
		}
	}
	if code, _ := s.post("ann", "/confirm", form); code != 200 || s.states() != "1:sent!" {
		t.Errorf("the page's own form: %d, %s", code, s.states())
	}
}

// Of two deciders at the same moment one decides; the other is told, and changes nothing.
func TestTwoDecidersAtTheSameMoment(t *testing.T) {
	t.Parallel()
	s := serve(t, 3, left("in_doubt", "1,2,3"))
	picked := s.pickAll("ann", "/open?kind=in_doubt")
	forms := map[string]url.Values{"ann": s.previewed("ann", "sent", picked), "eve": s.previewed("eve", "cancel", picked)}
	pages := make(chan string, 2)
	var both sync.WaitGroup
	for who, form := range forms {
		both.Go(func() {
			_, page := s.post(who, "/confirm", form)
			pages <- page
		})
	}
	both.Wait()
	if told := strings.Count(<-pages+<-pages, "somebody has decided about it"); told != 3 {
		t.Errorf("%d times somebody is told that they were not the first, want 3", told)
	}
	if got := s.one("select count(*) || ' ' || count(distinct invoice_id) from billonce.history where kind = 'decision'"); got != "3 3" {
		t.Errorf("decisions: %s, want 3 3", got)
	}
	if _, page := s.post("eve", "/confirm", forms["eve"]); !strings.Contains(page, "Nothing was decided") {
		t.Errorf("a form that comes twice:\n%s", page)
	}
}

// What has changed between the preview and the decision, by a late reply say, is left.
func TestWhatHasChangedIsLeft(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a late reply": `update billonce.deliveries set state = 'sent', open_state = null, doubtful = false, updated_at = now()`,
		"its time":     `update billonce.deliveries set updated_at = updated_at + interval '1 microsecond'`,
		"its attempt":  `update billonce.deliveries set attempt = 2`,
		"it is gone":   `delete from billonce.deliveries`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 1, left("in_doubt", "1"))
			form := s.previewed("ann", "retry", s.pickAll("ann", "/open?kind=in_doubt"))
			s.execute(change)
			before := s.states()
			_, page := s.post("ann", "/confirm", form)
			if s.states() != before || !strings.Contains(page, "somebody has decided about it, or a run has gone on") {
				t.Errorf("%s\n%s", s.states(), page)
			}
		})
	}
}

// A form that lacks what was shown, or a reason, decides nothing.
func TestDamagedForms(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("in_doubt", "1"))
	good := s.previewed("ann", "cancel", s.pickAll("ann", "/open?kind=in_doubt"))["pick"][0]
	for name, c := range map[string]struct {
		from, to string
		want     int
	}{
		"no time": {`"at":`, `"when":`, 400}, "no JSON": {"{", "", 400}, "no reason": {"because", "  ", 400},
		"a long reason": {"because", strings.Repeat("x", 1001), 400}, "no decision": {`"cancel"`, `"delete"`, 400},
		"no id": {`"id":"1"`, `"id":""`, 400}, "another kind of id": {`"id":"1"`, `"id":"x'; drop table invoices; --"`, 404},
		"another invoice": {`"id":"1"`, `"id":"7"`, 200},
	} {
		code, page := s.post("ann", "/confirm", url.Values{"pick": {strings.Replace(good, c.from, c.to, 1)}})
		if code != c.want || s.states() != "1:in_doubt" {
			t.Errorf("%s: %d, want %d, %s\n%s", name, code, c.want, s.states(), page)
		}
	}
	if code, _ := s.post("ann", "/confirm", url.Values{"pick": {strings.Repeat("x", 9<<20)}}); code != 400 {
		t.Errorf("nine megabytes: %d, want 400", code)
	}
}

// What was decided under another SQL than the last run's would be marked otherwise.
func TestUnderOtherSettingsNothingIsDecided(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("in_doubt", "1"))
	picked := s.pickAll("ann", "/open?kind=in_doubt")
	form := s.previewed("ann", "sent", picked)
	s.execute(`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, settled_at, mark_sent_sha256)
		values (gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'test', '1', now(), sha256('paid = true'))`)
	for path, form := range map[string]url.Values{"/confirm": form, "/preview": {"pick": picked, "decision": {"sent"}, "reason": {"because"}}} {
		if code, page := s.post("ann", path, form); code != 409 || !strings.Contains(page, "INVOICES_MARK_SENT") || s.states() != "1:in_doubt" {
			t.Errorf("%s: %d %s\n%s", path, code, s.states(), page)
		}
	}
}

// A late reply that is being written as somebody decides was there first.
func TestADecisionWhileTheLateReplyArrives(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, left("in_doubt", "1"))
	form := s.previewed("ann", "retry", s.pickAll("ann", "/open?kind=in_doubt"))
	conn, err := pgx.ConnectConfig(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	reply, err := conn.Begin(t.Context())
	if err == nil {
		_, err = reply.Exec(t.Context(), "update billonce.deliveries set state = 'sent', open_state = null, doubtful = false, updated_at = now()")
	}
	if err != nil {
		t.Fatal(err)
	}
	decided := make(chan string, 1)
	go func() {
		_, page := s.post("ann", "/confirm", form)
		decided <- page
	}()
	for s.one("select count(*)::text from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == "0" {
	}
	if err := reply.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := <-decided; !strings.Contains(page, "somebody has decided about it, or a run has gone on") || s.states() != "1:sent" {
		t.Errorf("%s\n%s", s.states(), page)
	}
	if got := s.one("select count(*)::text from billonce.history where kind = 'decision'"); got != "0" {
		t.Errorf("%s decisions stand in the history, want none", got)
	}
}

// Through a proxy, too, only its one name for the reader decides, as it is.
func TestAForgedNameDecidesNothing(t *testing.T) {
	t.Parallel()
	h := page(t, web.Settings{Addr: ":0", ProxyHeader: "X-Forwarded-User", TrustedProxies: "10.0.0.9", Deciders: "ann"}, quiet())
	for name, c := range map[string]struct {
		peer   string
		header http.Header
		want   int
	}{
		"ann, with an empty form": {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"ann"}}, 400},
		"from elsewhere":          {"10.0.0.8:1", http.Header{"X-Forwarded-User": {"ann"}}, 403},
		"twice":                   {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"bob", "ann"}}, 403},
		"twice the same":          {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"ann", "ann"}}, 403},
		"in a list":               {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"bob, ann"}}, 403},
		"in capitals":             {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"ANN"}}, 403},
		"a longer name":           {"10.0.0.9:1", http.Header{"X-Forwarded-User": {"ann@evil.example"}}, 403},
		"by another header":       {"10.0.0.9:1", http.Header{"X_forwarded_user": {"ann"}, "X-Remote-User": {"ann"}}, 403},
		"a password":              {"10.0.0.9:1", http.Header{"Authorization": {"Basic YW5uOmE="}}, 403},
	} {
		for _, path := range []string{"/preview", "/confirm", "/file", "/pause", "/resume"} {
			if path == "/resume" && c.want == 400 {
				continue // its form is never empty
			}
			got := ask(h, "POST", "http://page.example"+path, func(r *http.Request) { r.RemoteAddr, r.Header = c.peer, c.header.Clone() }).Code
			if got != c.want {
				t.Errorf("%s, %s: %d, want %d", name, path, got, c.want)
			}
		}
	}
}
