package pgerr

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	wrapped := func(code string) error { return fmt.Errorf("do it: %w", &pgconn.PgError{Code: code}) }
	for name, c := range map[string]struct {
		err             error
		server, is, has bool
	}{
		"the code":                  {wrapped("53200"), true, true, true},
		"another of the two codes":  {wrapped("40P01"), true, true, false},
		"a sibling":                 {wrapped("53300"), true, false, true},
		"a sibling that is unknown": {wrapped("53ZZZ"), true, false, true},
		"another class":             {wrapped("23505"), true, false, false},
		"no code":                   {wrapped(""), true, false, false},
		"not the server's":          {errors.New("SQLSTATE 53200"), false, false, false},
		"none":                      {nil, false, false, false},
	} {
		if got := From(c.err) != nil; got != c.server {
			t.Errorf("%s: From found one: %t, want %t", name, got, c.server)
		}
		if got := Is(c.err, pgerrcode.OutOfMemory, pgerrcode.DeadlockDetected); got != c.is {
			t.Errorf("%s: Is %t, want %t", name, got, c.is)
		}
		if got := InClass(c.err, pgerrcode.InsufficientResources); got != c.has {
			t.Errorf("%s: InClass %t, want %t", name, got, c.has)
		}
	}
}
