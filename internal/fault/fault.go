// Package fault has what can be wrong with a setting, as a value, so that all
// that is wrong is said in one message, whoever found it.
package fault

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is what is wrong with one variable of the environment. It quotes no value
// that could be a secret.
type Fault struct {
	Variable string
	Problem  string // what is wrong, and what would be right
	Of       string // the variable that is meant, where Variable is not its name: a misspelt one, or one that names a file
}

// New is a fault of a variable.
func New(variable, problem string, args ...any) Fault {
	if len(args) > 0 {
		problem = fmt.Sprintf(problem, args...)
	}
	return Fault{Variable: variable, Problem: problem}
}

// In makes the error of a rule a fault of a variable; none if there is no error.
func In(variable string, err error) []Fault {
	if err == nil {
		return nil
	}
	return []Fault{New(variable, err.Error())}
}

// about is the variable that the fault is listed with.
func (f Fault) about() string { return cmp.Or(f.Of, f.Variable) }

// Error lists faults, so that all of them are corrected at once. It holds no secret.
type Error struct{ Faults []Fault }

func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("read the environment:\n")
	for _, f := range e.Faults {
		fmt.Fprintf(&text, "  %s: %s\n", f.Variable, f.Problem)
	}
	text.WriteString("`batch help environment` explains every variable")
	return text.String()
}

// Join makes one *Error of lists of faults, sorted as the variables are in order;
// nil if there are none. A variable's cause is in the first list that names it:
// what later ones say follows from it, and would only confuse.
func Join(order []string, lists ...[]Fault) error {
	var all []Fault
	for _, list := range lists {
		known := all
		for _, f := range list {
			if !slices.ContainsFunc(known, func(k Fault) bool { return k.about() == f.about() }) {
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	place := func(f Fault) int {
		at := slices.Index(order, f.about())
		if at < 0 {
			return len(order)
		}
		return at
	}
	slices.SortStableFunc(all, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.about(), b.about()), cmp.Compare(a.Variable, b.Variable))
	})
	return &Error{Faults: all}
}
