package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// In a pod nobody's name is known: who decides is to say it, before anything is touched.
func TestP11InAPodWhoDecidesIsNamed(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"resolve 7 --sent --reason x", "pause --reason x", "resume", "reconcile list.csv --resolve --yes", "reconcile list.csv --adopt --yes",
		"migrate --rebind",
	} {
		for by, told := range map[string]bool{"": true, "   ": true, "ann": false} {
			args := strings.Fields(line)
			if by != "" {
				args = append(args, "--by", by)
			}
			var out bytes.Buffer
			code := run(t.Context(), args, []string{"POD_NAME=billonce-1", "DATABASE_URL=postgres://127.0.0.1:1/x"}, &out, &out)
			if asks := strings.Contains(out.String(), "add --by NAME"); asks != told || told && code != billing.ExitUsage {
				t.Errorf("%s by %q: exit code %d\n%s", line, by, code, &out)
			}
		}
	}
}

func TestPersonsNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"ann": true, "root": true, "": false, "65532": false, "nonroot": false, "nobody": false} {
		if isPersons(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
