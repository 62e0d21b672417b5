package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// configError lists everything that is wrong with the environment, so that it
// is put right in one go. It holds no secret.
type configError struct {
	faults []fault // in the order of config
}

type fault struct {
	place   int // of the variable in config
	name    string
	problem string
}

func (e *configError) Error() string {
	var text strings.Builder
	text.WriteString("read the environment:\n")
	for _, f := range e.faults {
		fmt.Fprintf(&text, "  %s: %s\n", f.name, f.problem)
	}
	text.WriteString("`batch help environment` explains every variable")
	return text.String()
}

// faults collects at most one fault for each variable: the first is the cause,
// what follows from it would only confuse.
type faults struct {
	places map[string]int
	byName map[string]fault
}

func newFaults() *faults {
	f := &faults{places: make(map[string]int), byName: make(map[string]fault)}
	for _, v := range variables() {
		f.places[v.name] = len(f.places)
		if v.secret {
			f.places[v.fileTwin()] = len(f.places)
		}
	}
	return f
}

func (f *faults) add(name, problem string) {
	f.addAt(f.places[name], name, problem)
}

func (f *faults) addAt(place int, name, problem string) {
	if _, known := f.byName[name]; !known {
		f.byName[name] = fault{place: place, name: name, problem: problem}
	}
}

func (f *faults) err() error {
	if len(f.byName) == 0 {
		return nil
	}
	all := make([]fault, 0, len(f.byName))
	for _, one := range f.byName {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.name, b.name))
	})
	return &configError{faults: all}
}

// quote shows a value in one short line.
func quote(text string) string {
	const most = 40
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// addMisspelt finds variables that are not ours but nearly are. Only those with
// one of our prefixes count, only near ones, and only while the right one is
// unset: the environment is shared with other programs, and Kubernetes adds the
// likes of BILLING_PORT for each Service.
func addMisspelt(found *faults, env func(string) (string, bool), names []string) {
	for _, name := range names {
		if _, ours := found.places[name]; ours {
			continue
		}
		nearest, best := "", 3
		for ours := range found.places {
			_, set := env(ours)
			prefix, rest, _ := strings.Cut(ours, "_")
			if set || rest == "" || !strings.HasPrefix(name, prefix+"_") {
				continue
			}
			distance := editDistance(name, ours)
			if len(rest) < 6 && distance > 1 {
				continue // INVOICES_DB is no misspelt INVOICES_ID
			}
			if distance < best || distance == best && found.places[ours] < found.places[nearest] {
				nearest, best = ours, distance
			}
		}
		if nearest != "" {
			found.addAt(found.places[nearest], name, "is not known; did you mean "+nearest+"?")
		}
	}
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
