package browsertest

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"testing"
)

// axe is axe-core, packed; axe/README.md says where it is from. It is kept here since tests
// have to be the same every day, and without a network.
//
//go:embed axe/axe.min.js.gz
var axe []byte

// findings runs axe-core and says each fault in a line.
const findings = `axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.flatMap(v =>
	v.nodes.map(n => v.id + ': ' + v.help + ': ' + n.html.slice(0, 200) + ': ' + n.any.map(a => a.message).join('; '))))`

// Barriers are what keeps people from using the page, as far as a program can tell
// (axe-core: WCAG 2 and good practice), a line each.
func (b *Tab) Barriers(t *testing.T) []string {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(axe))
	if err != nil {
		t.Fatal(err)
	}
	script, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	Ask[any](t, b, string(script)+"\nnull")
	return Ask[[]string](t, b, findings)
}
