package compare_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/billonce/billonce/internal/compare"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// edges are what a demo or a comparison needs. Making them takes longer than
// using them, so all tests share them.
type edges struct {
	program compare.Program
	server  *pgtemp.Server
}

func TestWithProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batch")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/billonce/billonce/cmd/batch").CombinedOutput(); err != nil {
		t.Fatalf("build batch: %v\n%s", err, text)
	}
	e := edges{compare.Program{Path: path, Name: "batch", Naive: []string{"demo", "naive-server"}}, pgtest.Server(t, map[string]string{"autovacuum": "off"})}
	for name, test := range map[string]func(*testing.T, edges){
		"demo": testDemo, "demo stops": testDemoStops, "demo not as expected": testDemoNotAsExpected,
		"comparison": testComparison, "comparison stops": testComparisonStops,
		"comparison of strangers": testComparisonKeepsAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}
