package templates

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMadeHeaders(t *testing.T) {
	const uuid = "01234567-89ab-cdef-0123-456789abcdef"
	common, made, err := SplitHeaders(http.Header{
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
		columns = made[i].Value.Bind(columns)
	}
	if want := []string{"api_token", "tenant_token", "account"}; !reflect.DeepEqual(columns, want) {
		t.Fatalf("%q, want %q", columns, want)
	}
	v := Values{Columns: []*string{new("t0ken"), new("tt"), new("acct_1 é")}, Key: uuid}
	want := map[string]string{
		"Stripe-Account": "acct_1 é", "Paypal-Request-Id": uuid, "X-Short": "k0123456789abcdef0123456789abcdef",
		"Authorization": "Bearer t0ken", "X-Tenant": "tt",
	}
	for _, h := range made {
		got, err := h.Render(v)
		if err != nil || got != want[h.Name] {
			t.Errorf("%s: %q, %v", h.Name, got, err)
		}
		if secret := h.Name == "Authorization" || h.Name == "X-Tenant"; h.Secret != secret {
			t.Errorf("%s: secret is %t", h.Name, h.Secret)
		}
	}
	for name, f := range map[string]struct {
		value *string
		want  string
	}{
		"null":    {nil, `Stripe-Account: column "account" is NULL`},
		"empty":   {new(""), `column "account" is empty`},
		"blank":   {new(" \t"), `column "account" is empty`},
		"newline": {new("a\r\nX-Admin: 1"), `column "account" has a character that no header can carry`},
		"zero":    {new("a\x00"), "no header can carry"},
		"delete":  {new("a\x7f"), "no header can carry"},
	} {
		for _, h := range made {
			if h.Name != "Stripe-Account" {
				continue
			}
			got, err := h.Render(Values{Columns: []*string{nil, nil, f.value}, Key: uuid})
			if err == nil || !strings.Contains(err.Error(), f.want) || got != "" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	for _, h := range made {
		if h.Value.Has(KeyName, HexKeyName) {
			if got, err := h.Render(Values{Columns: v.Columns}); err == nil {
				t.Errorf("%s is %q without a key", h.Name, got)
			}
		}
	}
}

func TestHeaderFaults(t *testing.T) {
	for value, want := range map[string]string{
		"s3cr3t{":          "{ without its }; write a placeholder as {column}, and a brace as \\{ in the value of X-A",
		`s3cr3t{"a":1}`:    `has a placeholder that is no name`,
		"s3cr3t{reply_id}": "has {reply_id} in the value of X-A",
	} {
		_, _, err := SplitHeaders(http.Header{"X-A": {value}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
	if _, _, err := SplitHeaders(http.Header{"Host": {"{region}.example"}}); err == nil {
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
		if got := IsSecretName(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	t.Parallel()
	got, err := ParseHeaders("X-Team: billing, Accept: text/html\\, text/plain,x-team:two\r\n\r\nX-C:  3 \n")
	want := http.Header{"X-Team": {"billing", "two"}, "Accept": {"text/html, text/plain"}, "X-C": {"3"}}
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
