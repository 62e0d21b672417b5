package billinghttp

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

func render(t *testing.T, cfg Config, row string, columns ...any) (billing.Request, error) {
	t.Helper()
	cfg.Timeout = time.Second
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	inv := billing.Invoice{ID: "7", Row: []byte(row)}
	for _, column := range columns {
		text, ok := column.(string)
		if !ok {
			inv.Columns = append(inv.Columns, nil)
			continue
		}
		inv.Columns = append(inv.Columns, &text)
	}
	return c.Render(inv)
}

func TestRenderURL(t *testing.T) {
	const url = "https://api.example/v1/{customer}/{id}?for={customer}&on={day}"
	for _, f := range []struct {
		customer, id, day any
		want              string // URL or a part of the error
	}{
		{"c1", "7", "2026-01-01", "https://api.example/v1/c1/7?for=c1&on=2026-01-01"},
		{"a/b?c#d", "7", "x&y=z +%", "https://api.example/v1/a%2Fb%3Fc%23d/7?for=a%2Fb%3Fc%23d&on=x%26y%3Dz+%2B%25"},
		{"ü\r\n", "{id}", "", "https://api.example/v1/%C3%BC%0D%0A/%7Bid%7D?for=%C3%BC%0D%0A&on="},
		{"..", "7", "", `column "customer" is ".."`},
		{"", "7", "", `column "customer" is empty`},
		{"c1", nil, "", `column "id" is NULL`},
		{"c1", "7", nil, `column "day" is NULL`},
	} {
		m, err := render(t, Config{URL: url, LookupURL: "https://api.example/{id}/{other}", Body: "none"}, "", f.customer, f.id, f.day, "o")
		if err != nil {
			if !strings.Contains(err.Error(), f.want) || !strings.HasPrefix(err.Error(), "render BILLING_URL for invoice 7: ") {
				t.Errorf("%v, want %s", err, f.want)
			}
			continue
		}
		if m.URL != f.want || !strings.HasPrefix(m.LookupURL, "https://api.example/") || m.Body != nil || m.InvoiceID != "7" {
			t.Errorf("%+v, want %s", m, f.want)
		}
	}
	if _, err := render(t, Config{URL: url, Body: "none"}, "", "c1"); err == nil {
		t.Error("rendered with a column missing")
	}
}

func TestColumns(t *testing.T) {
	c := newClient(t, "https://api.example", func(cfg *Config) {
		cfg.URL, cfg.LookupURL = "https://api.example/{b}/{a}?{b}", "https://api.example/{c}/{Customer No}/{a}"
	})
	if want := []string{"b", "a", "c", "Customer No"}; !slices.Equal(c.Columns(), want) {
		t.Errorf("%q, want %q", c.Columns(), want)
	}
	if !c.NeedsRow() {
		t.Error("a body of row needs the row")
	}
}

func TestRenderBody(t *testing.T) {
	const row = `{"id":9007199254740993,"amount_cents":1e2,"name":"a \"b\" <c>","gone":null,"tags":["x"]}`
	for body, want := range map[string]string{
		"row":                              row,
		"{{.id}}":                          "9007199254740993",
		`{"id":{{json .id}}}`:              `{"id":9007199254740993}`,
		`{"name":{{json .name}}}`:          `{"name":"a \"b\" <c>"}`,
		`{{json .}}`:                       `{"amount_cents":1e2,"gone":null,"id":9007199254740993,"name":"a \"b\" <c>","tags":["x"]}`,
		`name={{urlquery .name}}`:          `name=a+%22b%22+%3Cc%3E`,
		`{{json .gone}}`:                   `null`,
		`{{urlquery .id .name}}`:           "!wrong number of args",
		`{{urlquery .gone}}`:               "!the column is NULL",
		`{{urlquery .tags}}`:               `%5B%22x%22%5D`,
		`{{urlquery .id}}`:                 "9007199254740993",
		`{{cents .amount_cents}}`:          "10000",
		`{{cents "12.30"}}`:                "1230",
		`{{cents "-0.07"}}`:                "-7",
		`{{cents "90071992547409931.01"}}`: "9007199254740993101",
		`{{cents "12.3"}}`:                 "1230",
		`{{cents "12.3000000000"}}`:        "1230",
		`{{cents "0"}}`:                    "0",
		`{{cents "1.5e-1"}}`:               "15",
		`{{cents "1.005"}}`:                "!a fraction of a cent",
		`{{cents "1e-308"}}`:               "!a fraction of a cent",
		`{{cents "1/2"}}`:                  "!is no amount",
		`{{cents "0x10"}}`:                 "!is no amount",
		`{{cents "1_000"}}`:                "!is no amount",
		`{{cents "1,50"}}`:                 "!is no amount",
		`{{cents " 1 "}}`:                  "!is no amount",
		`{{cents ""}}`:                     "!is no amount",
		`{{cents "NaN"}}`:                  "!is no amount",
		`{{cents "Infinity"}}`:             "!is no amount",
		`{{cents "1e999999999"}}`:          "!is no amount",
		`{{cents true}}`:                   "!is no amount",
		`{{cents .tags}}`:                  "!is no amount",
		`{{cents .amount_cents .id}}`:      "!wrong number of args",
		`{{cents .name}}`:                  "!is no amount",
		`{{cents .gone}}`:                  "!the column is NULL",
		`{{if .gone}}x{{end}}fixed`:        `fixed`,
		`{{.gone}}`:                        "!prints a column that is NULL",
		`{{.nothing}}`:                     "!map has no entry",
	} {
		m, err := render(t, Config{URL: "https://api.example/", Body: body}, row)
		again, _ := render(t, Config{URL: "https://api.example/", Body: body}, row)
		fault, isFault := strings.CutPrefix(want, "!")
		switch {
		case isFault && (err == nil || !strings.Contains(err.Error(), fault)):
			t.Errorf("%s: %v, want %s", body, err, fault)
		case !isFault && (err != nil || string(m.Body) != want || string(again.Body) != want):
			t.Errorf("%s: %v, %s, want %s", body, err, m.Body, want)
		}
	}
	for _, body := range []string{"row", "{{.id}}"} {
		if _, err := render(t, Config{URL: "https://api.example/", Body: body}, ""); err == nil {
			t.Errorf("%s: rendered without a row", body)
		}
	}
}
