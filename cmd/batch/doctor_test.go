package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/doctor"
)

// examine runs `batch doctor --json` and returns what it found by its checks' names.
func (b *book) examine(wantExit int, args, env []string) map[string]doctor.Finding {
	b.t.Helper()
	all := maps.Clone(b.env)
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		all[name] = value
	}
	var environ []string
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	var out, faults bytes.Buffer
	if got := run(b.t.Context(), append([]string{"doctor", "--json"}, args...), environ, &out, &faults); got != wantExit {
		b.t.Errorf("exit code %d, want %d:\n%s%s", got, wantExit, &out, &faults)
	}
	var report doctor.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		b.t.Fatalf("%v:\n%s%s", err, &out, &faults)
	}
	found := map[string]doctor.Finding{}
	for _, f := range report {
		found[f.Check] = f
	}
	return found
}

func TestDoctorIsContent(t *testing.T) {
	t.Parallel()
	b := newBook(t, 10, billingfake.Config{})
	for name, f := range b.examine(0, []string{"--strict"}, nil) {
		if f.Verdict != doctor.OK || f.Remedy != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if c := b.api.Counts(); c.Requests != 0 {
		t.Errorf("%d requests were made of the billing API", c.Requests)
	}
	b.wantStates("none/true=10")
}

// The exit code says what the worst finding is.
func TestDoctorExits(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{})
	if f := b.examine(billing.ExitError, []string{"--strict", "--runners=60"}, nil)["lock table"]; f.Verdict != doctor.Warning {
		t.Errorf("60 runners: %+v", f)
	}
	b.examine(0, []string{"--runners=60"}, nil)
	if f := b.examine(billing.ExitRefused, nil, []string{"LEDGER_SCHEMA=nowhere"})["ledger"]; f.Verdict != doctor.Refused {
		t.Errorf("no ledger: %+v", f)
	}
}
