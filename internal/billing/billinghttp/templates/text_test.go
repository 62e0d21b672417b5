package templates

import (
	"strings"
	"testing"
)

func TestParseText(t *testing.T) {
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
		got, err := parseText(text)
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
