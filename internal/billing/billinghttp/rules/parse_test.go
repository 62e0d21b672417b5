package rules

import (
	"strings"
	"testing"
)

func TestFaultsNameTheirPlace(t *testing.T) {
	for _, f := range []struct {
		about About
		text  string
		want  string // a part of the error; empty: there is none
	}{
		{Requests, "409 -> unknown", ""},
		{Requests, "409->accepted", ""},
		{Requests, "\n  4xx -> refused\r\n\n", ""},
		{Requests, "200-299 if size(body.errors) > 0 -> refused", ""},
		{Requests, `200 if text.contains("a->b") -> accepted`, ""},
		{Requests, `200 if(body.ok) -> accepted`, ""},
		{Requests, `200 if body.error.code in ["already_sent"] -> accepted`, ""},
		{Requests, `200 if header["x-state"] == "done" && has(body.id) -> accepted`, ""},
		{Requests, `200 if body.items.all(i, i.ok) -> accepted`, ""},
		{Requests, "500 -> accepted", ""},
		{Requests, "301 -> not_sent", ""},
		{RequestsWithKeys, "503 -> not_sent", ""},

		{Requests, "409", `line 1, column 4: has no "->"`},
		{Requests, "409 -> ", "line 1, column 7: has no outcome behind its arrow"},
		{Requests, "40 -> unknown", `line 1, column 1: "40" is no status`},
		{Requests, "600 -> unknown", `"600" is no status`},
		{Requests, "0x1 -> unknown", `"0x1" is no status`},
		{Requests, "+20 -> unknown", `"+20" is no status`},
		{Requests, "9xx -> unknown", `"9xx" is no status`},
		{Requests, "299-200 -> unknown", `"299-200" begins above its end; write 200-299`},
		{Requests, "409 -> unknown\n  7 -> refused", `line 2, column 3: "7" is no status`},
		{Requests, "409 -> acepted", `line 1, column 8: "acepted" is none of accepted, submitted, refused, throttled, not_sent, unknown`},
		{Requests, "409 -> acted", `"acted" is none of`},
		{LookUps, "409 -> accepted", `"accepted" is none of acted, submitted, refused, absent, unknown`},
		{Requests, "409 when body.ok -> accepted", `line 1, column 5: is no "if"`},
		{Requests, "409 iffy -> accepted", `line 1, column 5: is no "if"`},
		{Requests, "409 if -> accepted", "line 1, column 7: has no condition behind its if"},
		{Requests, "200 if bdy.ok -> accepted", "line 1, column 8: undeclared reference to 'bdy' (did you mean 'body'?); a condition sees body, text and header"},
		{Requests, "409 -> unknown\n200 if body.ü == `x` -> accepted", "line 2, column"},
		{Requests, `200 if text == "ü" && bdy -> accepted`, "line 1, column 23: undeclared reference"},
		{Requests, "200 if 1 + 1 -> accepted", "line 1, column 8: is no condition: it comes to an int"},
		{Requests, `200 if text.matches("(") -> accepted`, "line 1, column 8: error parsing regexp"},
		{Requests, "200 if text > 1 -> accepted", "line 1, column 13: found no matching overload"},
		{Requests, "200 if body.a == -> accepted", "line 1, column"},
		{Requests, "200 -> refused", "line 1, column 8: refused can't be said of 200"},
		{Requests, "399-400 -> refused", "refused can't be said of 399"},
		{Requests, "500 if body.ok -> refused", "refused can't be said of 500"},
		{Requests, "503 -> not_sent", "not_sent can't be said of 503 where the API has no idempotency keys"},
		{Requests, "503 -> throttled", "throttled can't be said of 503 where the API has no idempotency keys"},
		{RequestsWithKeys, "200 if body.ok -> not_sent", "not_sent can't be said of 200"},
		{RequestsWithKeys, "100 -> throttled", "throttled can't be said of 100"},
		{LookUps, "404 -> absent", ""},
		{LookUps, "410 -> absent", ""},
		{LookUps, "200 if body.data == [] -> absent", ""},
		{LookUps, "400 if body.code == 7 -> absent", ""},
		{LookUps, "500 -> refused", ""},
		{LookUps, "200 -> absent", "absent can't be said of 200"},
		{LookUps, "400 -> absent", "absent can't be said of 400"},
		{LookUps, "302 if body.ok -> absent", "absent can't be said of 302"},
		{LookUps, "500 if body.ok -> absent", "absent can't be said of 500"},
		{Requests, "2xx -> accepted\n200 if size(body.errors) > 0 -> refused", "line 2, column 1: never decides anything: line 1 decides this status before it"},
		{Requests, "200 -> accepted\n2xx if size(body.errors) > 0 -> refused", ""},
		{Requests, "200-250 -> accepted\n251-299 -> accepted\n2xx if body.bad -> refused", "never decides anything: line 2"},
		{Requests, "409 -> \xff", "is no UTF-8"},
	} {
		_, err := Parse(f.text, f.about)
		switch {
		case f.want == "" && err != nil:
			t.Errorf("%q: %v", f.text, err)
		case f.want != "" && (err == nil || !strings.Contains(err.Error(), f.want)):
			t.Errorf("%q: %v, want %s", f.text, err, f.want)
		}
	}
}

func TestAllFaultsAreTold(t *testing.T) {
	_, err := Parse("1 -> unknown\n409 -> unknown\n200 if bdy == tex -> accepted", Requests)
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "line 1,") || strings.Count(err.Error(), "line 3,") != 2 {
		t.Errorf("%v", err)
	}
}

// A macro expands to negations of its own, which nobody wrote.
func TestWarnsOfNegations(t *testing.T) {
	for text, want := range map[string]int{
		`200 if body.error != "x" -> accepted`:                1,
		`200 if !has(body.error) -> accepted`:                 1,
		`200 if !(body.a == 1) || body.b == 2 -> accepted`:    1,
		`200 if body.list.exists(x, x != "b") -> accepted`:    1,
		`200 if body.list.exists(x, x == "b") -> accepted`:    0,
		`200 if body.list.all(x, x == "b") -> accepted`:       0,
		`200 if body.status == "a != b" -> accepted`:          0,
		`200 if body.error != "x" -> refused`:                 0,
		`200 if body.error != "x" -> unknown`:                 0,
		`200 if text.matches("^[^!]+$") && 1 < 2 -> accepted`: 0,
	} {
		set, err := Parse(text, Requests)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Warnings(); len(got) != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	set, err := Parse(`200 if body != [] -> acted`, LookUps)
	if err != nil || len(set.Warnings()) != 1 || !strings.Contains(set.Warnings()[0], "line 1 makes acted of what is not there") {
		t.Errorf("%v, %v", set, err)
	}
	var none *Set
	if none.Warnings() != nil {
		t.Error("no rules, and a warning")
	}
}
