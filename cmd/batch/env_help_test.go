package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEnvExampleIsComplete holds .env.example equal to config: names, order and
// defaults, and only what has to be set is not commented out.
func TestEnvExampleIsComplete(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(content)) {
		if entry := strings.TrimSpace(line); entry != "" && !strings.HasPrefix(entry, "# ") && entry != "#" {
			got = append(got, entry)
		}
	}
	var want []string
	for _, v := range variables() {
		entry := v.name + "=" + v.def
		if strings.Contains(v.def, " ") {
			entry = v.name + "='" + v.def + "'"
		}
		if v.needed == needNothing {
			entry = "#" + entry
		}
		want = append(want, entry)
		if v.secret {
			want = append(want, "#"+v.fileTwin()+"=")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf(".env.example (-config +file):\n%s", diff)
	}
}

func TestEnvironmentHelp(t *testing.T) {
	t.Parallel()
	help := environmentHelp()
	headings := regexp.MustCompile(`(?m)^([A-Z_]+) \(.+\)$`).FindAllStringSubmatch(help, -1)
	if len(headings) != len(variables()) {
		t.Errorf("the help has %d headings for %d variables", len(headings), len(variables()))
	}
	for i, v := range variables() {
		if i < len(headings) && headings[i][1] != v.name {
			t.Errorf("heading %d is %s, want %s", i, headings[i][1], v.name)
		}
		if v.desc == "" {
			t.Errorf("%s has no description", v.name)
		}
		if v.def == "" && v.unset == "" && v.needed == needNothing {
			t.Errorf("%s has neither a default nor a word for what unset means", v.name)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 80 && strings.HasPrefix(line, " ") {
			t.Errorf("line is too long: %s", line)
		}
	}
}
