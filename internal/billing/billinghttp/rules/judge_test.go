package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func parse(t testing.TB, text string, about About) *Set {
	t.Helper()
	s, err := Parse(text, about)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const examples = `409 if body.error.code in ["already_sent"] -> accepted
200 if size(body.errors) > 0 -> refused
200 if body.status == "queued" -> accepted
400 if text.contains("rate_limit") -> throttled
410 -> not_sent
403 if header["x-reason"] == "quota, day" -> throttled`

func TestJudge(t *testing.T) {
	s := parse(t, examples, Requests)
	header := http.Header{"X-Reason": {"quota", "day"}}
	for _, f := range []struct {
		status int
		body   string
		want   Word
		line   int
	}{
		{200, `{"status":"queued"}`, Accepted, 3},
		{200, " \n\t{ \"status\" : \"queued\" } \n", Accepted, 3},
		{200, "\ufeff" + `{"status":"queued"}`, Accepted, 3},
		{200, `{"status":"queued","errors":[]}`, Accepted, 3},
		{200, `{"status":"queued","errors":null}`, Accepted, 3},
		{200, `{"status":"queued","errors":["x"]}`, Refused, 2},
		{200, `{"errors":{"a":1}}`, Refused, 2},
		// The built-in accepted is gone where a condition names the status.
		{200, `{"stauts":"queued"}`, Unknown, 0},
		{200, `{"data":{"status":"queued"}}`, Unknown, 0},
		{200, `{"status":null}`, Unknown, 0},
		{200, `{"status":["queued"]}`, Unknown, 0},
		{200, `{"Status":"queued"}`, Unknown, 0},
		{200, `{"status":"queued "}`, Unknown, 0},
		{200, `{"status":"queued"`, Unknown, 0},
		{200, `{"status":"queued"}}`, Unknown, 0},
		{200, `{"status":"queued"}{"status":"failed"}`, Unknown, 0},
		{200, `{"status":"failed","status":"queued"}`, Unknown, 0},
		{200, `{"status":"failed","status":null,"x":{"status":"queued"}}`, Unknown, 0},
		{200, `null`, Unknown, 0},
		{200, `"queued"`, Unknown, 0},
		{200, "", Unknown, 0},
		{200, strings.Repeat("[", 5000), Unknown, 0},
		{200, strings.Repeat(`{"status":`, 200) + `"queued"` + strings.Repeat("}", 200), Unknown, 0},
		// No condition names these.
		{201, `{"status":"queued"}`, "", 0},
		{204, "", "", 0},
		{409, `{"error":{"code":"already_sent"}}`, Accepted, 1},
		{409, `{"error":{"code":"busy"}}`, "", 0},
		{409, "already_sent", "", 0},
		{400, "you met the rate_limit", Throttled, 4},
		{400, `{"error":"rate_limit"}`, Throttled, 4},
		{400, "", "", 0},
		{410, "", NotSent, 5},
		{403, "", Throttled, 6},
	} {
		got := s.Judge(context.Background(), Reply{Status: f.status, Header: header, Body: []byte(f.body)})
		if got.Word != f.want || got.Line != f.line || (got.Reason != "") != (f.want == Unknown) {
			t.Errorf("%d %.60s: %+v, want %s by line %d", f.status, f.body, got, f.want, f.line)
		}
	}
	var none *Set
	if got := none.Judge(context.Background(), Reply{Status: 200}); got != (Ruling{}) || none.NeedsBody(200) {
		t.Errorf("without rules: %+v", got)
	}
}

func TestLookUps(t *testing.T) {
	s := parse(t, `200 if body.data == [] -> absent
200 if body.data[0].status in ["sent", "paid"] -> acted
200 if body.data[0].status == "rejected" -> refused
404 if body.code == "no_such_invoice" -> absent`, LookUps)
	for _, f := range []struct {
		status int
		body   string
		want   Word
	}{
		{200, `{"data":[]}`, Absent},
		{200, `{"data":null}`, Unknown},
		{200, `{"data":{}}`, Unknown},
		{200, `{}`, Unknown},
		{200, `[]`, Unknown},
		{200, `{"data":[{"status":"paid"}]}`, Acted},
		{200, `{"data":[{"status":"rejected"}]}`, Refused},
		{200, `{"data":[{"status":"new"},{"status":"paid"}]}`, Unknown},
		{404, `{"code":"no_such_invoice"}`, Absent},
		{404, `<html>no such path</html>`, Unknown}, // the built-in absent is gone
		{410, ``, ""},
	} {
		if got := s.Judge(context.Background(), Reply{Status: f.status, Body: []byte(f.body)}); got.Word != f.want {
			t.Errorf("%d %s: %+v, want %q", f.status, f.body, got, f.want)
		}
	}
}

func TestUnreadBody(t *testing.T) {
	s := parse(t, "200 if body.bad == 1 -> refused\n2xx -> accepted\n400 if body.a == 1 -> throttled\n4xx -> refused", Requests)
	cut := errors.New("it broke off")
	for status, want := range map[int]Word{200: Unknown, 201: Accepted, 400: Unknown, 401: Refused} {
		got := s.Judge(context.Background(), Reply{Status: status, Body: []byte(`{"bad":0}`), Unread: cut})
		if got.Word != want || (want == Unknown) != strings.Contains(got.Reason, "it broke off") {
			t.Errorf("%d: %+v, want %s", status, got, want)
		}
	}
}

func TestCharsets(t *testing.T) {
	s := parse(t, `200 if body.status == "bezahlt für heute" -> accepted`, Requests)
	for _, f := range []struct {
		contentType, body string
		want              Word
	}{
		{"application/json", `{"status":"bezahlt für heute"}`, Accepted},
		{"application/json; charset=utf-8", `{"status":"bezahlt für heute"}`, Accepted},
		{"application/json; charset=ISO-8859-1", "{\"status\":\"bezahlt f\xfcr heute\"}", Accepted},
		{"application/json; charset=iso-8859-15", "{\"status\":\"bezahlt f\xfcr heute\"}", Accepted},
		{"application/json; charset=windows-1252", "{\"status\":\"bezahlt f\xfcr heute\"}", Accepted},
		{"application/json", "{\"status\":\"bezahlt f\xfcr heute\"}", Unknown},
		{"application/json; charset=iso-8859-1", `{"status":"bezahlt für heute"}`, Unknown},
		{"application/json", `{"status":"bezahlt f\u00fcr heute"}`, Accepted},
	} {
		got := s.Judge(context.Background(), Reply{Status: 200, Header: http.Header{"Content-Type": {f.contentType}}, Body: []byte(f.body)})
		if got.Word != f.want {
			t.Errorf("%s %q: %+v", f.contentType, f.body, got)
		}
	}
	// A name in Latin-1 elsewhere in the reply does not hide what the rule asks for.
	s = parse(t, `200 if body.status == "sent" -> accepted`, Requests)
	if got := s.Judge(context.Background(), Reply{Status: 200, Body: []byte("{\"status\":\"sent\",\"to\":\"M\xfcller\"}")}); got.Word != Accepted {
		t.Errorf("%+v", got)
	}
}

func TestNumbers(t *testing.T) {
	for condition, body := range map[string]string{
		"body.n == 1":                     `{"n":1.0}`,
		"body.n == 1.0":                   `{"n":1}`,
		"body.n == 9007199254740993":      `{"n":9007199254740993}`,
		"body.n == 18446744073709551615u": `{"n":18446744073709551615}`,
		"body.n == 12.3":                  `{"n":12.30}`,
		"body.n > 1":                      `{"n":1e3}`,
	} {
		s := parse(t, "200 if "+condition+" -> accepted", Requests)
		if got := s.Judge(context.Background(), Reply{Status: 200, Body: []byte(body)}); got.Word != Accepted {
			t.Errorf("%s of %s: %+v", condition, body, got)
		}
		if got := s.Judge(context.Background(), Reply{Status: 200, Body: []byte(`{"n":9007199254740992.5e999}`)}); got.Word != Unknown {
			t.Errorf("%s of a number without end: %+v", condition, got)
		}
	}
}

// What costs too much is unknown: it must neither hang the run nor fall through to a rule
// that says accepted.
func TestCost(t *testing.T) {
	s := parse(t, `200 if body.all(a, body.all(b, body.all(c, a + b + c >= 0))) -> refused
2xx -> accepted`, Requests)
	body := []byte("[0" + strings.Repeat(",0", 2000) + "]")
	got := s.Judge(context.Background(), Reply{Status: 200, Body: body})
	if got.Word != Unknown || !strings.Contains(got.Reason, "line 1 has no end") {
		t.Errorf("%+v", got)
	}
	// A megabyte is searched in full.
	s = parse(t, `200 if text.contains("needle") && text.matches("(needle|thread)+ ?$") -> accepted`, Requests)
	long := []byte(strings.Repeat("hay ", BodyMost/4-2) + "needle")
	if got := s.Judge(context.Background(), Reply{Status: 200, Body: long}); got.Word != Accepted {
		t.Errorf("a long body: %+v", got)
	}
}

func TestTable(t *testing.T) {
	s := parse(t, "409 if body.error.code == 7 -> accepted\n200 if size(body.errors) > 0 -> refused\n200 if body.ok -> accepted\n5xx -> unknown\n410 -> not_sent", Requests)
	builtIn := func(status int) Word {
		switch {
		case status/100 == 2:
			return Accepted
		case status == 429:
			return Throttled
		case status/100 == 4 && status != 409:
			return Refused
		}
		return Unknown
	}
	var lines []string
	for _, r := range s.Table(builtIn) {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%d", r.Status, r.If, r.Word, r.Line))
	}
	want := `200|size(body.errors) > 0|refused|2
|body.ok|accepted|3
||unknown|0
201-299||accepted|0
3xx||unknown|0
400-408||refused|0
409|body.error.code == 7|accepted|1
||unknown|0
410||not_sent|5
411-428||refused|0
429||throttled|0
430-499||refused|0
5xx||unknown|4`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	if s.Source(2) != "200 if size(body.errors) > 0 -> refused" || s.Source(4) != "5xx -> unknown" || s.Source(99) != "" {
		t.Errorf("%q, %q", s.Source(2), s.Source(4))
	}
}

// FuzzJudge holds rulings to a second reading of the reply: whatever it is, nothing is
// accepted that no rule accepts, and the built-in meaning stands only where no condition
// names the status.
func FuzzJudge(f *testing.F) {
	s := parse(f, examples, Requests)
	for _, body := range []string{
		`{"status":"queued"}`, `{"status":"queued","errors":[1]}`, `{"error":{"code":"already_sent"}}`, `{"status":null}`, "", "[]", "nul",
		`{"status":"queued","status":1}`, "\xff", `{"a":{"status":"queued"}}`, "\ufeff{}", `{"status":"queued"}x`, `{"st\u0061tus":"queued"}`,
	} {
		for _, status := range []int{200, 201, 400, 409, 500} {
			f.Add(status, "application/json", []byte(body), false)
			f.Add(status, "text/plain; charset=latin1", []byte(body), true)
		}
	}
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte, cut bool) {
		reply := Reply{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: body}
		if cut {
			reply.Unread = errors.New("cut")
		}
		got := s.Judge(context.Background(), reply)
		var read struct {
			Status json.RawMessage
			Error  struct{ Code string }
		}
		// encoding/json takes names of any case: it accepts more than the rules do.
		isJSON := json.Unmarshal([]byte(toUTF8(contentType, body)), &read) == nil
		switch got.Word {
		case Accepted:
			ok := isJSON && !cut && (status == 200 && string(read.Status) != "" || status == 409 && read.Error.Code == "already_sent")
			if !ok {
				t.Errorf("%d %q: %+v", status, body, got)
			}
		case "":
			if s.NeedsBody(status) && (status == 200 || cut) || status == 410 {
				t.Errorf("%d %q is left to the built-in meaning", status, body)
			}
		}
		if cut && s.NeedsBody(status) && got.Word != Unknown {
			t.Errorf("%d, cut: %+v", status, got)
		}
	})
}

func TestNothingHangs(t *testing.T) {
	s := parse(t, `200 if body.exists(a, body.exists(b, a + b == 1)) -> accepted`, Requests)
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if got := s.Judge(ctx, Reply{Status: 200, Body: []byte("[0" + strings.Repeat(",0", 5000) + "]")}); got.Word != Unknown || got.Line != 0 {
		t.Errorf("%+v", got)
	}
}
