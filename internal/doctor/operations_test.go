package doctor

import (
	"os"
	"strings"
	"testing"
)

// Whoever reads a finding finds its check in the manual.
func TestOperationsExplainsEachCheck(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks() {
		if !strings.Contains(string(page), "\n| "+c.name+" | ") {
			t.Errorf("docs/operations.md does not explain %q", c.name)
		}
	}
}
