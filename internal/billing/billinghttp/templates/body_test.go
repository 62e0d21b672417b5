package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

func TestBodyFunctions(t *testing.T) {
	const row = `{"id":7,"yen":500,"dinar":1.234,"half":1.5,"eur":12.30,"ariary":2000,"currency":"JPY","small":"kwd","gone":null,
		"on":"2026-03-29","at":"2026-03-28T23:30:00+00:00","at2":"2026-03-28T23:30:00.123456-05:30","wall":"2026-07-01T12:00:00","never":"infinity","late":"12026-01-01"}`
	const key = "01234567-89ab-cdef-0123-456789abcdef"
	for text, want := range map[string]string{
		`{{minor .yen "JPY"}}`:                                          "500",
		`{{minor .yen .currency}}`:                                      "500",
		`{{minor .dinar .small}}`:                                       "1234",
		`{{minor .dinar "KWD"}}`:                                        "1234",
		`{{minor .eur "EUR"}}`:                                          "1230",
		`{{minor "12.3" "eur"}}`:                                        "1230",
		`{{minor "-0.07" "USD"}}`:                                       "-7",
		`{{minor 5 "USD"}}`:                                             "500",
		`{{minor .half "JPY"}}`:                                         "!more decimals than JPY, which has 0",
		`{{minor "1.2345" "KWD"}}`:                                      "!more decimals than KWD, which has 3",
		`{{minor .ariary "MGA"}}`:                                       "200000",
		`{{minor .ariary "MGA" "MGA=0"}}`:                               "2000",
		`{{minor .ariary "MGA" "UGX=0" "MGA=0"}}`:                       "2000",
		`{{minor .eur "EUR" "MGA=0"}}`:                                  "1230",
		`{{minor .yen "XXJ"}}`:                                          `!"XXJ" is no currency`,
		`{{minor .yen "euro"}}`:                                         "!is no currency",
		`{{minor .yen .gone}}`:                                          "!the column is NULL",
		`{{minor .gone "EUR"}}`:                                         "!the column is NULL",
		`{{minor .yen}}`:                                                "!wrong number of args",
		`{{minor .at "EUR"}}`:                                           "!is no amount",
		`{{minor .yen "JPY" .currency}}`:                                "!is no exception for minor",
		`{{date "2006-01-02" "Europe/Berlin" .on}}`:                     "2026-03-29",
		`{{.at | date "2006-01-02" "UTC"}}`:                             "2026-03-28",
		`{{.at | date "02.01.2006" "Europe/Berlin"}}`:                   "29.03.2026",
		`{{.at | date "2006-01-02T15:04:05Z07:00" "America/New_York"}}`: "2026-03-28T19:30:00-04:00",
		`{{.at2 | date "15:04:05" "UTC"}}`:                              "05:00:00",
		`{{.wall | date "2006-01-02T15:04Z07:00" "Europe/Berlin"}}`:     "2026-07-01T12:00+02:00",
		`{{.never | date "2006" "UTC"}}`:                                "!no date and no time",
		`{{.late | date "2006" "UTC"}}`:                                 "!no date and no time",
		`{{.gone | date "2006" "UTC"}}`:                                 "!the column is NULL",
		`{{.on | date .currency "UTC"}}`:                                `!"JPY" is no layout`,
		`{{.on | date "2006" .currency}}`:                               `!"JPY" is no time zone`,
		`{"key":{{json idempotency_key}}}`:                              `{"key":"` + key + `"}`,
		`{{idempotency_key_hex}}`:                                       "0123456789abcdef0123456789abcdef",
		`{{define "k"}}{{idempotency_key}}{{end}}{{template "k"}}`:      key,
	} {
		b, err := ParseBody(text, "")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		inv := billing.Invoice{ID: "7", Row: []byte(row)}
		got, _, err := b.Render(inv, key)
		again, _, _ := b.Render(inv, key)
		fault, isFault := strings.CutPrefix(want, "!")
		switch {
		case isFault && (err == nil || !strings.Contains(err.Error(), fault)):
			t.Errorf("%s: %s, %v, want %s", text, got, err, fault)
		case !isFault && (err != nil || string(got) != want || string(again) != want):
			t.Errorf("%s: %v, %s, want %s", text, err, got, want)
		}
	}
	b, err := ParseBody("{{idempotency_key}}", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", ""} {
		got, _, err := b.Render(billing.Invoice{Row: []byte("{}")}, key)
		if string(got) != key || (err == nil) != (key != "") {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}

func TestBodyFaults(t *testing.T) {
	for text, want := range map[string]string{
		"": "is empty", "ROW": "is written row", " none": "is written none", "{{.id": "is no template", "{{pence .x}}": "is no template", "rows": "is neither row nor none",
	} {
		if _, err := ParseBody(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// What no invoice can make right is found before the first one.
func TestBodyConstants(t *testing.T) {
	for text, want := range map[string]string{
		`{{date "YYYY-MM-DD" "UTC" .on}}`:             `has a fault: date: "YYYY-MM-DD" is no layout`,
		`{{.on | date "2006-01-02" "Berlin"}}`:        `has a fault: date: "Berlin" is no time zone`,
		`{{.on | date "2006-01-02" "Local"}}`:         `"Local" is no time zone`,
		`{{.on | date "2006-01-02" ""}}`:              `"" is no time zone`,
		`{{minor .a .b "MGA"}}`:                       `has a fault: minor: "MGA" is no exception`,
		`{{minor .a .b "MGA=0" "mga=2"}}`:             `"mga=2" is no exception`,
		`{{if .a}}{{minor .a .b "MGA=-1"}}{{end}}`:    `"MGA=-1" is no exception`,
		`{{range .x}}{{minor .a .b "=1"}}{{end}}`:     `"=1" is no exception`,
		`{{define "a"}}{{minor . . "x"}}{{end}}{{.}}`: `"x" is no exception`,
	} {
		if _, err := ParseBody(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestBodyColumns(t *testing.T) {
	for text, want := range map[string]string{
		"row":                  "",
		"{{json .}}":           "",
		"{{.a}}{{.b.c}}{{.a}}": "a b",
		`{{if .a}}{{.b}}{{else if .c}}{{.d}}{{end}}`:     "a b c d",
		`{{with .a}}{{.b}}{{$.c}}{{else}}{{.d}}{{end}}`:  "a c d",
		`{{range .a}}{{.b}}{{$.c.d}}{{end}}`:             "a c",
		`{{$x := .a}}{{$x.b}}`:                           "a",
		`{{minor .a (.b | printf "%s")}}`:                "a b",
		`{{index . "Customer No"}}`:                      "Customer No",
		`{{index .a "x"}}`:                               "a",
		`{{define "t"}}{{.z}}{{end}}{{template "t" .a}}`: "a",
		`{{(index .a 0).b}}`:                             "a",
	} {
		b, err := ParseBody(text, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.tree.columns, " "); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	b, err := ParseBody(`{{if .a}}{{with .b}}{{json idempotency_key}}{{end}}{{end}}{{cents .c}}`, "")
	if err != nil || !b.calls(KeyName) || !b.calls("minor", "cents") || b.calls("minor") || !slices.Contains(b.tree.calls, "json") {
		t.Errorf("%v, %v", b, err)
	}
	var none *Body
	if none.calls("json") {
		t.Error("no body calls json")
	}
}

func TestCentsAreWrong(t *testing.T) {
	for code, want := range map[string]bool{"JPY": true, "kwd": true, "EUR": false, "usd": false, "": false, "points": false, "ISK ": true} {
		if got := centsAreWrong(code); (got != "") != want {
			t.Errorf("%s: %s", code, got)
		}
	}
}
