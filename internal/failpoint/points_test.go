package failpoint_test

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/failpoint"
)

// The list of points is what the code hits: each at one place, and `error` is
// offered just where Fail is called.
func TestPointsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`failpoint\.(Hit|Fail)\("(\w+)"`)
	got := map[string]bool{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, "internal/billing", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			if _, twice := got[m[2]]; twice {
				t.Errorf("%s is hit at two places", m[2])
			}
			got[m[2]] = m[1] == "Fail"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, p := range failpoint.Points() {
		want[p.Name] = p.CanFail
	}
	if !maps.Equal(got, want) {
		t.Errorf("the code hits %v, want %v (point: can fail)", got, want)
	}
}
