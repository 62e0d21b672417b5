package fault_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/fault"
)

func TestJoinSortsAndKeepsTheCause(t *testing.T) {
	t.Parallel()
	err := fault.Join([]string{"A", "B", "C"},
		[]fault.Fault{fault.New("C", "is %d", 3), {Variable: "B_FILE", Problem: "is not there", Of: "B"}, {Variable: "AA", Problem: "did you mean A?", Of: "A"}},
		[]fault.Fault{fault.New("A", "first"), fault.New("B", "is not set"), fault.New("Z", "unordered")},
		nil,
		append(fault.In("D", errors.New("is wrong")), fault.New("D", "is wrong twice")),
	)
	want := "read the environment:\n  AA: did you mean A?\n  B_FILE: is not there\n  C: is 3\n  D: is wrong\n  D: is wrong twice\n  Z: unordered\n" +
		"`batch help environment` explains every variable"
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJoinOfNothing(t *testing.T) {
	t.Parallel()
	if err := fault.Join(nil, nil, fault.In("A", nil)); err != nil {
		t.Error(err)
	}
}
