package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var pausedAt = regexp.MustCompile(`name="paused_at" value="([^"]*)"`)

// A decider pauses the book, with a reason, and resumes the pause that was seen.
func TestPauseOnThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	why := url.Values{"reason": {"the <b>API</b> is moving"}}
	for who, want := range map[string]int{"bob": 403, "": 401} {
		if code, _ := s.post(who, "/pause", why); code != want {
			t.Errorf("%q pauses: %d, want %d", who, code, want)
		}
	}
	if code, _ := s.post("ann", "/pause", url.Values{"reason": {" "}}); code != 400 {
		t.Errorf("no reason: %d, want 400", code)
	}
	if code, _ := s.post("ann", "/pause", why); code != 303 {
		t.Fatalf("pause: %d, want 303", code)
	}
	if code, _ := s.post("eve", "/pause", url.Values{"reason": {"me too"}}); code != 409 {
		t.Errorf("twice: %d, want 409", code)
	}
	if got := s.one("select paused_by || ': ' || pause_reason from billonce.ledger"); got != "ann: the <b>API</b> is moving" {
		t.Error(got)
	}
	_, tonight := s.get("ann", "/")
	if !strings.Contains(tonight, "Paused by ann") || strings.Contains(tonight, "<b>API") {
		t.Errorf("tonight:\n%s", tonight)
	}
	at := pausedAt.FindStringSubmatch(strings.ReplaceAll(tonight, "&#43;", "+"))
	if at == nil {
		t.Fatalf("no form to resume:\n%s", tonight)
	}
	if _, page := s.get("bob", "/"); strings.Contains(page, `method="post"`) {
		t.Error("a reader is shown a form")
	}
	if code, _ := s.post("bob", "/resume", url.Values{"paused_at": {at[1]}}); code != 403 {
		t.Errorf("a reader resumes: %d, want 403", code)
	}
	s.execute("update billonce.ledger set paused_at = paused_at + interval '1 second'")
	if code, _ := s.post("ann", "/resume", url.Values{"paused_at": {at[1]}}); code != 409 {
		t.Errorf("another pause than the one that was seen: %d, want 409", code)
	}
	s.execute("update billonce.ledger set paused_at = paused_at - interval '1 second'")
	if code, _ := s.post("ann", "/resume", url.Values{"paused_at": {at[1]}}); code != 303 {
		t.Errorf("resume: %d, want 303", code)
	}
	if got := s.one("select coalesce(paused_by, 'nobody') from billonce.ledger"); got != "nobody" {
		t.Error(got)
	}
}
