package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A name that PostgreSQL would cut is not the one that a run is found by.
func TestApplicationNameIsNotCutByTheServer(t *testing.T) {
	long := strings.Repeat("h", 60)
	a := app{env: func(name string) (string, bool) { return long, name == "HOSTNAME" }}
	if got, want := a.applicationName(settings{}), fmt.Sprintf("/%d", os.Getpid()); len(got) != nameMax || !strings.HasSuffix(got, want) {
		t.Errorf("host and process: %q", got)
	}
	var c settings
	c.PodName, c.NodeName = long, long
	if got := a.applicationName(c); got != ("billonce/" + long)[:nameMax] {
		t.Errorf("pod and node: %q", got)
	}
	c.PodName, c.NodeName = "batch-1", "node-2"
	if got := a.applicationName(c); got != "billonce/batch-1@node-2" {
		t.Errorf("a short name: %q", got)
	}
}
