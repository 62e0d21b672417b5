package billing

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type sent struct {
	method, url string
	made        []Header
	body        string
}

func (s sent) hash() string {
	sum := RequestHash(s.method, s.url, s.made, []byte(s.body))
	return hex.EncodeToString(sum[:])
}

// The ledger keeps hashes for as long as a delivery is open: another program must come to
// the same ones.
func TestRequestHashStays(t *testing.T) {
	s := sent{"POST", "https://api.example/7", []Header{{Name: "Idempotency-Key", Value: "k"}}, `{"id":7}`}
	if got, want := s.hash(), "9e50a8c362c563900e32e162d6cf6905593685c774c44febdb1ee16c75ba3d4c"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	sum := LookUpHash("https://api.example/7", []Header{{Name: "Stripe-Account", Value: "a"}})
	if got, want := hex.EncodeToString(sum[:]), "059f7db6ae5b0240af9c9b49f480ac3eaf7bc88152cb95e86d03fc5cfc08ca9f"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRequestHash(t *testing.T) {
	h := func(name, value string) Header { return Header{Name: name, Value: value} }
	base := sent{"POST", "u", []Header{h("A", "1"), h("B", "2")}, "body"}
	met := map[string]string{base.hash(): "base"}
	for name, s := range map[string]sent{
		"method":           {"PUT", "u", base.made, "body"},
		"url":              {"POST", "u/", base.made, "body"},
		"body":             {"POST", "u", base.made, "body\n"},
		"no body":          {"POST", "u", base.made, ""},
		"no headers":       {"POST", "u", nil, "body"},
		"a header less":    {"POST", "u", base.made[:1], "body"},
		"a header's value": {"POST", "u", []Header{h("A", "1"), h("B", "3")}, "body"},
		"a header's name":  {"POST", "u", []Header{h("A", "1"), h("C", "2")}, "body"},
		"moved letters":    {"POST", "ub", base.made, "ody"},
		"method into url":  {"POS", "Tu", base.made, "body"},
		"names into value": {"POST", "u", []Header{h("A", "1B"), h("", "2")}, "body"},
		"values swapped":   {"POST", "u", []Header{h("A", "2"), h("B", "1")}, "body"},
		"one name twice":   {"POST", "u", []Header{h("A", "1"), h("A", "2")}, "body"},
		"the other order":  {"POST", "u", []Header{h("A", "2"), h("A", "1")}, "body"},
		"header into body": {"POST", "u", []Header{h("A", "1")}, "B2body"},
	} {
		if other, known := met[s.hash()]; known {
			t.Errorf("%s has the hash of %s", name, other)
		}
		met[s.hash()] = name
	}
	if (sent{"POST", "u", []Header{h("B", "2"), h("A", "1")}, "body"}).hash() != base.hash() {
		t.Error("the order of the settings makes another request")
	}
	secret := sent{"POST", "u", []Header{h("A", "1"), {Name: "B", Value: "2", Secret: true}}, "body"}
	if secret.hash() != base.hash() {
		t.Error("what is secret is no other request")
	}
	request, lookUp := RequestHash("u", "", nil, nil), LookUpHash("u", nil)
	if request == lookUp {
		t.Error("a look-up has a request's hash")
	}
}

// Two requests have one hash only if they are the same.
func TestRequestHashTellsApart(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00")), 0, 3, -1)
	request := rapid.Custom(func(t *rapid.T) sent {
		s := sent{method: text.Draw(t, "method"), url: text.Draw(t, "url"), body: text.Draw(t, "body")}
		for i := range rapid.IntRange(0, 2).Draw(t, "headers") {
			// Names in order: sorting makes one request of two orders.
			s.made = append(s.made, Header{Name: strings.Repeat("n", i+1), Value: text.Draw(t, "value")})
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := request.Draw(t, "a"), request.Draw(t, "b")
		if same := fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b); same != (a.hash() == b.hash()) {
			t.Errorf("%q and %q: same is %t", a, b, same)
		}
	})
}

func TestSecretHeadersAreNotPrinted(t *testing.T) {
	request := []Header{{Name: "Authorization", Value: "Bearer s3cret", Secret: true}, {Name: "X-A", Value: "shown"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, request)
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "shown") {
			t.Errorf("%s: %s", verb, text)
		}
	}
}
