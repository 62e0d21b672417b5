package billinghttp

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestParseRowTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"{id}":                     "<id>",
		"a{id}b{Customer No}c":     "a<id>b<Customer No>c",
		`\{id\}`:                   "{id}",
		`{"a":{id}`:                "!without quotes or spaces",
		`\{"a":{id}\}`:             `{"a":<id>}`,
		"{id":                      "!{ without its }",
		"id}":                      "!} without its {",
		"{}":                       "!placeholder {}",
		"{ id}":                    "!without quotes or spaces",
		`{"Id"}`:                   "!without quotes",
		"{idempotency_key}":        "<idempotency_key>",
		`a\b{idempotency_key_hex}`: `a\b<idempotency_key_hex>`,
	} {
		got, err := parseRowTemplate(text)
		if fault, isFault := strings.CutPrefix(want, "!"); isFault {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %v, want %s", text, err, fault)
			}
			continue
		}
		shown := got.literals[0]
		for i, p := range got.places {
			shown += "<" + p.name + ">" + got.literals[i+1]
		}
		if err != nil || shown != want {
			t.Errorf("%s: %s, %v, want %s", text, shown, err, want)
		}
	}
}

func text(s string) *string { return &s }

func TestRowHeaders(t *testing.T) {
	const uuid = "01234567-89ab-cdef-0123-456789abcdef"
	common, made, err := splitHeaders(http.Header{
		"stripe-account":    {"{account}"},
		"PayPal-Request-Id": {"{idempotency_key}"},
		"X-Short":           {"k{idempotency_key_hex}"},
		"Authorization":     {"Bearer {api_token}"},
		"X-Tenant":          {"{tenant_token}"},
		"X-Plain":           {`\{a\}`, "b"},
	})
	if err != nil || !reflect.DeepEqual(common, http.Header{"X-Plain": {"{a}", "b"}}) {
		t.Fatalf("%v, %v", common, err)
	}
	var columns []string
	for i := range made {
		columns = made[i].value.bind(columns)
	}
	if want := []string{"api_token", "tenant_token", "account"}; !reflect.DeepEqual(columns, want) {
		t.Fatalf("%q, want %q", columns, want)
	}
	v := values{columns: []*string{text("t0ken"), text("tt"), text("acct_1 é")}, key: uuid}
	want := map[string]string{
		"Stripe-Account": "acct_1 é", "Paypal-Request-Id": uuid, "X-Short": "k0123456789abcdef0123456789abcdef",
		"Authorization": "Bearer t0ken", "X-Tenant": "tt",
	}
	for _, h := range made {
		got, err := h.render(v)
		if err != nil || got != want[h.name] {
			t.Errorf("%s: %q, %v", h.name, got, err)
		}
		if secret := h.name == "Authorization" || h.name == "X-Tenant"; h.secret != secret {
			t.Errorf("%s: secret is %t", h.name, h.secret)
		}
	}
	for name, f := range map[string]struct {
		value *string
		want  string
	}{
		"null":    {nil, `Stripe-Account: column "account" is NULL`},
		"empty":   {text(""), `column "account" is empty`},
		"blank":   {text(" \t"), `column "account" is empty`},
		"newline": {text("a\r\nX-Admin: 1"), `column "account" has a character that no header can carry`},
		"zero":    {text("a\x00"), "no header can carry"},
		"delete":  {text("a\x7f"), "no header can carry"},
	} {
		for _, h := range made {
			if h.name != "Stripe-Account" {
				continue
			}
			got, err := h.render(values{columns: []*string{nil, nil, f.value}, key: uuid})
			if err == nil || !strings.Contains(err.Error(), f.want) || got != "" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	for _, h := range made {
		if h.value.has(keyName, hexKeyName) {
			if got, err := h.render(values{columns: v.columns}); err == nil {
				t.Errorf("%s is %q without a key", h.name, got)
			}
		}
	}
}

func TestRowHeaderFaults(t *testing.T) {
	for value, want := range map[string]string{
		"s3cr3t{":          "{ without its }; write a placeholder as {column}, and a brace as \\{ in the value of X-A",
		`s3cr3t{"a":1}`:    `has a placeholder that is no name`,
		"s3cr3t{reply_id}": "has {reply_id} in the value of X-A",
	} {
		_, _, err := splitHeaders(http.Header{"X-A": {value}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
	if _, _, err := splitHeaders(http.Header{"Host": {"{region}.example"}}); err == nil {
		t.Error("a host of the row")
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "Proxy-Authorization": true, "X-Api-Key": true, "X-Auth": true, "api_token": true, "ApiToken": true,
		"client_secret": true, "Cookie": true, "X-Signature": true, "apikey": true,
		"Stripe-Account": false, "PayPal-Request-Id": false, "Idempotency-Key": false, "chargebee-idempotency-key": false,
		"Cko-Idempotency-Key": false, "customer": false, "author": false, "monkey": false, "keyboard": false,
	} {
		if got := isSecretName(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
