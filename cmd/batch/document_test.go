package main

import (
	"os"
	"testing"

	pages "github.com/billonce/billonce/internal/document"
)

// document is a page that is carried out as it stands, by this test's own program.
type document struct {
	t       testing.TB
	path    string
	section string            // its heading; empty: the whole page
	url     string            // of the database
	replace map[string]string // what stands in the page, and what it is here
	env     []string          // NAME=value, of the first block
}

func (d document) run() {
	d.t.Helper()
	pages.Document{
		T: d.t, Path: d.path, Section: d.section, URL: d.url, Replace: d.replace, Programs: map[string]string{"batch": os.Args[0]},
		Env: append([]string{"LOG_FORMAT=console", "LOG_LEVEL=info", asBatch + "=1"}, d.env...),
	}.Run()
}
