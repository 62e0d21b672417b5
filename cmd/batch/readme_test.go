package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The README's table names the variables of the configuration, in its order.
func TestReadmeListsTheEnvironment(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*?) \\| ")
	var got, want [][2]string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		got = append(got, [2]string{m[1], m[2]})
	}
	for _, v := range variables() {
		note := v.unset
		switch {
		case v.needed == needDatabase:
			note = "required"
		case v.needed == needBilling:
			note = "required by `run`"
		case v.def != "":
			note = "`" + v.def + "`"
		}
		want = append(want, [2]string{v.name, note})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-config +README:\n%s", diff)
	}
}
