package failpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/billonce/billonce/internal/failpoint"
)

// A production build holds nothing of the failpoints: neither their names nor
// the variable's nor the package's. The build with the tag holds them all, so
// the search finds what there is.
func TestProductionHoldsNoFailpoints(t *testing.T) {
	t.Parallel()
	words := []string{"BILLONCE_FAILPOINTS", "github.com/billonce/billonce/internal/failpoint"}
	for _, p := range failpoint.Points() {
		words = append(words, p.Name)
	}
	production, tagged := build(t), build(t, "-tags=failpoints")
	for _, word := range words {
		if bytes.Contains(production, []byte(word)) {
			t.Errorf("%q is in the production binary", word)
		}
		if !bytes.Contains(tagged, []byte(word)) {
			t.Errorf("%q is not even in the binary with failpoints", word)
		}
	}
}

func build(t *testing.T, flags ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batch")
	args := append([]string{"build", "-o", path}, flags...)
	if text, err := exec.CommandContext(t.Context(), "go", append(args, "github.com/billonce/billonce/cmd/batch")...).CombinedOutput(); err != nil {
		t.Fatalf("build batch: %v\n%s", err, text)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
