package web_test

import (
	"bytes"
	"encoding/csv"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// upload posts a file of decisions.
func (s *served) upload(who, content, reason string) (int, string) {
	s.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "decisions.csv")
	if err == nil {
		_, err = file.Write([]byte(content))
	}
	if err == nil {
		err = form.WriteField("reason", reason)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		s.Fatal(err)
	}
	return s.askWith(who, "POST", "/file", &body, func(r *http.Request) { r.Header.Set("Content-Type", form.FormDataContentType()) })
}

// The list of what is open comes back as decisions; what a spreadsheet would run is text.
func TestDecisionsGoOutAndComeBackAsCSV(t *testing.T) {
	t.Parallel()
	s := serve(t, 4, left("in_doubt", "1,2"), left("failed", "3"),
		`update billonce.deliveries set error = '=HYPERLINK("https://evil.example")' where invoice_id = 2; update invoices set customer = '@SUM(1)'`)
	code, text := s.get("bob", "/open.csv")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if code != 200 || err != nil || len(rows) != 4 {
		t.Fatalf("%d %v\n%s", code, err, text)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
				t.Errorf("a spreadsheet runs %q", cell)
			}
		}
	}
	if _, text := s.get("bob", "/open.csv?kind=failed&reason=HTTP+503+of+7"); strings.Count(text, "\n") != 2 {
		t.Errorf("want the one that failed:\n%s", text)
	}
	decision := slices.Index(rows[0], "decision")
	rows[0] = append(rows[0], "why")
	rows[0][slices.Index(rows[0], "reason")], rows[0][len(rows[0])-1] = "seen", "reason"
	for i, word := range []string{"sent", "", "Retry"} {
		rows[i+1] = append(rows[i+1], "")
		rows[i+1][decision] = word
	}
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	code, preview := s.upload("ann", b.String(), "as agreed")
	if code != 200 || !strings.Contains(preview, "sends 1 of them, together 30 EUR") || len(picks(preview)) != 2 || s.states() != "1:in_doubt 2:in_doubt 3:failed 4:" {
		t.Fatalf("%d\n%s", code, preview)
	}
	if code, _ := s.post("ann", "/confirm", url.Values{"pick": picks(preview)}); code != 200 || s.states() != "1:in_doubt 2:sent! 3:retry 4:" {
		t.Errorf("%d %s", code, s.states())
	}
}

// Of a file with one row that is not sound nothing counts.
func TestAFileIsSoundOrCountsForNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, 2, left("in_doubt", "1,2"))
	const header = "invoice_id,attempt,decision,reason\n"
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"sound": {header + "1,1,sent,x\n", 200}, "no reason": {header + "1,1,sent,x\n2,1,sent,\n", 400},
		"no decision": {header + "1,1,,x\n", 400}, "another word": {header + "1,1,sent,x\n2,1,delete,x\n", 400},
		"another kind of id": {header + "x,1,sent,x\n", 404}, "twice": {header + "1,1,sent,x\n1,1,cancel,x\n", 400},
		"empty": {"", 400}, "no CSV": {header + "\"", 400}, "large": {header + strings.Repeat("#", 1<<20), 400},
		"many": {header + many(2001), 413}, "script": {header + "1,1,<script>alert(1)</script>,x\n", 400},
	} {
		code, page := s.upload("ann", c.text, "")
		if code != c.want || (code != 200) != (len(picks(page)) == 0) || strings.Contains(page, "<script>alert") {
			t.Errorf("%s: %d, want %d\n%.2000s", name, code, c.want, page)
		}
	}
	if code, _ := s.upload("bob", header+"1,1,sent,x\n", ""); code != 403 {
		t.Errorf("a reader: %d, want 403", code)
	}
	if _, page := s.upload("ann", header+"1,2,sent,x\n", ""); !strings.Contains(page, "its last attempt is 1, not 2") {
		t.Errorf("another attempt:\n%s", page)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("9", 1+i/1000) + string(rune('0'+i%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i/100%10)) + ",1,sent,x\n")
	}
	return b.String()
}
