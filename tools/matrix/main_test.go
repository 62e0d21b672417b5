package matrix_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// sideBySide is how many books are in use at the same time. Most of a cell's time
// is waiting: for a deadline, or for an intent to grow too old.
const sideBySide = 12

// TestWithFailpoints builds the program with its failpoints and shares it, and
// the databases, among all tests: making them takes longer than using them.
func TestWithFailpoints(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "batch")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags=failpoints", "-o", program, "github.com/billonce/billonce/cmd/batch")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build batch with failpoints: %v\n%s", err, text)
	}
	books := make(chan *book, sideBySide)
	for range sideBySide {
		books <- newBook(t, program)
	}
	t.Run("matrix", func(t *testing.T) { testMatrix(t, books) })
	t.Run("submitted", func(t *testing.T) { testSubmitted(t, books) })
	t.Run("doubt", func(t *testing.T) { testDoubtIsSmall(t, books) })
}

// share runs f for each case as a subtest, side by side: as many as there are books.
func share[T fmt.Stringer](t *testing.T, books chan *book, cases []T, f func(*testing.T, *book, T)) {
	done := make(chan struct{})
	for _, one := range cases {
		b := <-books
		go func() {
			defer func() { books <- b; done <- struct{}{} }()
			t.Run(one.String(), func(t *testing.T) { f(t, b, one) })
		}()
	}
	for range cases {
		<-done
	}
}
