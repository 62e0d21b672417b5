package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every mutant still applies and compiles, and the test that is to catch it is
// still there. Whether it does, `make mutants` shows.
func TestEveryMutantApplies(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	house, err := list(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			changed, err := m.changed(root)
			if err != nil {
				t.Fatal(err)
			}
			if err := house.check(changed); err != nil {
				t.Error(err)
			}
			if err := hasTests(os.DirFS(root), m.where, m.test); err != nil {
				t.Error(err)
			}
			if _, err := regexp.Compile(m.says); err != nil || m.says == "" {
				t.Errorf("what its test says is no pattern: %q, %v", m.says, err)
			}
		})
	}
}

// hasTests says which of a pattern's tests the package lacks.
func hasTests(root fs.FS, where, pattern string) error {
	files, err := fs.Glob(root, where+"/*_test.go")
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, file := range files {
		part, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		text.Write(part)
	}
	for name := range strings.SplitSeq(pattern, "|") {
		name, _, _ = strings.Cut(name, "/")
		if !strings.Contains(text.String(), "\nfunc "+name+"(t *testing.T)") {
			return fmt.Errorf("%s has no test %s", where, name)
		}
	}
	return nil
}

// Two mutants that say the same can't be told apart.
func TestNamesAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutants() {
		if seen[m.name] {
			t.Errorf("%q is there twice", m.name)
		}
		seen[m.name] = true
	}
}

// Of each promise of docs/guarantees.md at least one test is seen to fail.
func TestEveryPromiseHasAMutant(t *testing.T) {
	t.Parallel()
	all := mutants()
	for n := 1; n <= 12; n++ {
		name := regexp.MustCompile(fmt.Sprintf(`^TestP%d\D`, n))
		if !slices.ContainsFunc(all, func(m mutant) bool { return name.MatchString(m.test) }) {
			t.Errorf("no mutant has a test of P%d fail", n)
		}
	}
}

// A text that is gone, or there twice, is no mutant.
func TestOverlayRefusesWhatDoesNotApply(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{"one": "", "two": "2 times", "three": "0 times"} {
		_, err := mutant{edits: []edit{{"a.go", old, "x"}}}.changed(root)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", old, err, want)
		}
	}
}
