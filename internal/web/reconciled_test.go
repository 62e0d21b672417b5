package web_test

import (
	"strings"
	"testing"
)

// The last reconciliations are shown, with what they found, in the words of the command.
func TestReconciled(t *testing.T) {
	t.Parallel()
	s := serve(t, 1)
	if _, page := s.get("bob", "/reconciled"); !strings.Contains(page, "was not compared with") {
		t.Errorf("none yet:\n%s", page)
	}
	const id = "10000000-0000-4000-8000-000000000001"
	s.execute(`insert into billonce.reconciliations (reconciliation_id, made_by, file, file_sha256, decided, figures) values ('` + id + `', 'eve',
		'<img src=x onerror=alert(1)>.csv', sha256('x'), 'resolve', '{"lines": 12, "agreed": 9, "differ": 2, "decided": {"done": 1, "left": 0}, "kinds": {
			"agreed": {"count": 9, "sums": [{"currency": "EUR", "count": 9, "theirs": "1234.5"}]}, "ours_only": {"count": 21}},
		"examples": {"ours_only": [{"kind": "ours_only", "invoice_id": "a/b\n\"1\"", "state": "sent"}, {"kind": "ours_only", "their_id": "=1+1", "line": 7}]}}')`)
	_, list := s.get("bob", "/reconciled")
	_, one := s.get("bob", "/reconciled?id="+id)
	for _, want := range []string{`href="reconciled?id=` + id, "&lt;img src=x"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in\n%s", want, list)
		}
	}
	for _, want := range []string{
		"1 made sent (<code class=\"flag\">--resolve</code>)", "9 agreed: 1,234.50 EUR", "21 only in the ledger", "invoice?id=a%2fb%0a%221%22", "a/b &#34;1&#34;",
		"=1+1: line 7", "The first 2 are shown",
	} {
		if !strings.Contains(strings.ReplaceAll(one, "&#43;", "+"), want) {
			t.Errorf("no %q in\n%s", want, one)
		}
	}
	if strings.Contains(list+one, "<img") {
		t.Error("a file's name is HTML")
	}
	for _, unknown := range []string{"x", "10000000-0000-4000-8000-000000000002"} {
		if code, _ := s.get("bob", "/reconciled?id="+unknown); code != 404 {
			t.Errorf("%s: %d, want 404", unknown, code)
		}
	}
}
