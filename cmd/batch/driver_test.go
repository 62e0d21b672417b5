package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The product speaks to PostgreSQL by pgx alone. What fetches a server for
// developers brings another driver along, and belongs to tools/.
func TestOneDriver(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) == 0 {
		t.Fatal("go list names no package")
	}
	for _, p := range packages {
		if strings.HasPrefix(p, "github.com/lib/pq") || strings.Contains(p, "embedded-postgres") {
			t.Errorf("the program holds %s", p)
		}
	}
}
