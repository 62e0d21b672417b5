package main

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the documents name as a proof is there: Test…, or names that begin so.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	var tests, pages strings.Builder
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && path != "." && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return err
		}
		into := &pages
		switch {
		case strings.HasSuffix(path, "_test.go"):
			into = &tests
		case !strings.HasSuffix(path, ".md"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		into.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w*(…)?`).FindAllString(pages.String(), -1)
	for _, name := range named {
		want := "func " + name + "("
		if beginning, more := strings.CutSuffix(name, "…"); more {
			want = "func " + beginning
		}
		if !strings.Contains(tests.String(), want) {
			t.Errorf("a document names %s: there is no such test", name)
		}
	}
	if len(named) < 40 {
		t.Errorf("only %d tests are named: are the documents read?", len(named))
	}
}
