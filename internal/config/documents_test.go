package config

import (
	"flag"
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
		if v.needed == Nothing {
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
	help := Help()
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
		if v.def == "" && v.unset == "" && v.needed == Nothing {
			t.Errorf("%s has neither a default nor a word for what unset means", v.name)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 80 && strings.HasPrefix(line, " ") {
			t.Errorf("line is too long: %s", line)
		}
	}
}

var update = flag.Bool("update", false, "write the documents that are made of Config")

// What is made of Config is as Config is: `make docs` writes it anew.
func TestDocumentsAreOfConfig(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"../../.env.example": Example(), "../../docs/reference.md": Reference()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not what Config says; run `make docs` (-Config +file):\n%s", path, diff)
		}
	}
}

// The example is settings that a shell takes; set as they stand they change nothing.
func TestExampleChangesNothing(t *testing.T) {
	t.Parallel()
	var environ []string
	for line := range strings.Lines(Example()) {
		name, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if found && regexp.MustCompile("^[A-Z_]+$").MatchString(name) && value != "" {
			environ = append(environ, name+"="+strings.Trim(value, "'"))
		}
	}
	got, faults := Load(environ, Nothing)
	want, _ := Load(nil, Nothing)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Config{})); diff != "" || len(faults) > 0 || len(environ) < 20 {
		t.Errorf("%d settings, %v (-none +example):\n%s", len(environ), faults, diff)
	}
}
