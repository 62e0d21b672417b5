package web_test

import (
	"net/url"
	"strings"
	"testing"
)

// From the list over the preview to the decision: it is the one that was shown.
func TestDecideOnThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, 5, left("in_doubt", "1,2,3"), left("failed", "4"))
	_, groups := s.get("ann", "/decide")
	if !strings.Contains(groups, "60 EUR") || !strings.Contains(groups, "40 EUR") || strings.Index(groups, "60 EUR") > strings.Index(groups, "40 EUR") {
		t.Fatalf("groups:\n%s", groups)
	}
	_, list := s.get("ann", "/open?kind=in_doubt&reason=HTTP+503+of+9")
	all := picks(list)
	if len(all) != 3 || strings.Index(list, ">3<") > strings.Index(list, ">1<") {
		t.Fatalf("want 3, 2, 1:\n%s", list)
	}
	code, preview := s.post("ann", "/preview", url.Values{"pick": all[:2], "decision": {"sent"}, "reason": {"in their books"}})
	if code != 200 || !strings.Contains(preview, "50 EUR") || s.states() != "1:in_doubt 2:in_doubt 3:in_doubt 4:failed 5:" {
		t.Fatalf("%d %s\n%s", code, s.states(), preview)
	}
	code, decided := s.post("ann", "/confirm", url.Values{"pick": picks(preview)})
	if got := s.states(); code != 200 || got != "1:in_doubt 2:sent! 3:sent! 4:failed 5:" {
		t.Fatalf("%d %s\n%s", code, got, decided)
	}
	if got := s.one("select string_agg(distinct decided_by || ': ' || reason, '') from billonce.history where kind = 'decision'"); got != "ann: in their books" {
		t.Errorf("the history: %s", got)
	}
	if _, history := s.get("bob", "/invoice?id=2"); !strings.Contains(history, "ann") || !strings.Contains(history, "in their books") {
		t.Errorf("the history on the page:\n%s", history)
	}
}

// On its own page an invoice is decided, reopened, and sent once more.
func TestDecideOnAnInvoicesPage(t *testing.T) {
	t.Parallel()
	s := serve(t, 3, left("failed", "1"), left("sent", "2,3"), "update invoices set pending = false where id = 3")
	for _, step := range []struct{ id, decision, want string }{
		{"1", "cancel", "1:cancelled 2:sent 3:sent!"},
		{"1", "reopen", "1:failed 2:sent 3:sent!"},
		{"1", "retry", "1:retry 2:sent 3:sent!"},
		{"2", "again", "1:retry 2:retry 3:sent!"},
	} {
		form := s.previewed("ann", step.decision, s.pickAll("ann", "/invoice?id="+step.id))
		if _, page := s.post("ann", "/confirm", form); s.states() != step.want {
			t.Fatalf("%s %s: %s, want %s\n%s", step.decision, step.id, s.states(), step.want, page)
		}
	}
	if _, page := s.get("ann", "/invoice?id=3"); len(picks(page)) > 0 {
		t.Error("of what is sent and marked nothing is to decide")
	}
}
