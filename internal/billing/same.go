package billing

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
)

// Header is one that is made for an invoice, of its row or its key.
type Header struct {
	Name   string
	Value  string
	Secret bool // never shown
	OfKey  bool // no look-up carries it: an API would answer for what it keeps under the key
}

// String and GoString keep a secret out of whatever prints a request.
func (h Header) String() string {
	if h.Secret {
		return h.Name + ": ***"
	}
	return h.Name + ": " + h.Value
}

// GoString is for %#v.
func (h Header) GoString() string { return h.String() }

// RequestHash says which request it was: two that differ in their method, URL, body or in
// a header that is made for the invoice have different hashes. What credentials the
// settings hold is no part of it: they rotate.
func RequestHash(method, url string, made []Header, body []byte) [sha256.Size]byte {
	h := newFields("billonce request 1")
	h.add(method)
	h.add(url)
	h.headers(made)
	h.add(string(body))
	return h.sum()
}

// LookUpHash says which look-up belongs to a request.
func LookUpHash(url string, made []Header) [sha256.Size]byte {
	h := newFields("billonce look-up 1")
	h.add(url)
	h.headers(made)
	return h.sum()
}

// fields hashes texts, each behind its length: else two fields could be taken for one.
type fields struct{ hash.Hash }

func newFields(of string) fields {
	f := fields{sha256.New()}
	f.add(of)
	return f
}

func (f fields) add(text string) {
	f.number(len(text))
	f.Write([]byte(text))
}

func (f fields) number(n int) {
	f.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// headers are in the order of their names: the settings' own order says nothing. Those
// of one name keep theirs (RFC 9110, 5.3).
func (f fields) headers(all []Header) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Header) int { return cmp.Compare(a.Name, b.Name) })
	f.number(len(all))
	for _, h := range all {
		f.add(h.Name)
		f.add(h.Value)
	}
}

func (f fields) sum() (sum [sha256.Size]byte) {
	f.Sum(sum[:0])
	return sum
}
