package desk

import (
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

func TestDecisionsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	got, err := ReadDecisions(strings.NewReader("\ufeffinvoice_id,customer,attempt,decision,reason\n'=7,x,2,sent,in their books\n8,y,1,,\n9,z,3,Cancel,\n"), "asked for")
	want := []FileDecision{
		{"=7", billing.Resolution{To: billing.Sent, Attempt: 2, Reason: "in their books"}},
		{"9", billing.Resolution{To: billing.Cancelled, Attempt: 3, Reason: "asked for"}},
	}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
}

func TestUnsoundDecisionsAreNamed(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"":                                  "the file is empty",
		"invoice_id,attempt,decision\n":     "no column reason",
		"7,1,paid,x\n":                      `line 2: "paid" is no decision`,
		"7,,sent,x\n":                       `line 2: "" is no attempt`,
		"7,1,sent,\n":                       "line 2: no reason",
		"7,1,sent,x\n7,1,retry,x\n":         "line 3: invoice 7 is in line 2 already",
		"7,1,sent,x\n8,0,sent,x\n,1,sent,x": "line 4: no invoice_id",
		"7,1,sent\n":                        "wrong number of fields",
	} {
		if file != "" && !strings.HasPrefix(file, "invoice_id") {
			file = "invoice_id,attempt,decision,reason\n" + file
		}
		if _, err := ReadDecisions(strings.NewReader(file), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
}
