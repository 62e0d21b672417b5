package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What the map and the guide to changes name is there.
func TestMapNamesPathsThatExist(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	begins := []string{".", "cmd/batch", "internal", "internal/billing", "sql/queries", "docs/model"}
	for page, least := range map[string]int{"ARCHITECTURE.md": 80, "CONTRIBUTING.md": 25, "docs/model/README.md": 20} {
		paths := namedPaths(readPage(t, page))
		for _, named := range paths {
			if !slices.ContainsFunc(begins, func(begin string) bool {
				_, err := fs.Stat(root, path.Join(begin, named))
				return err == nil
			}) {
				t.Errorf("%s names %s: there is no such file", page, named)
			}
		}
		if len(paths) < least {
			t.Errorf("only %d paths are named in %s: is it read?", len(paths), page)
		}
	}
}

func readPage(t testing.TB, page string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the model's table says of the code is there: its functions, and its files.
func TestModelNamesFunctionsThatExist(t *testing.T) {
	t.Parallel()
	var code strings.Builder // what it declares
	root := os.DirFS("../..")
	for _, folder := range []string{"cmd/batch", "internal/billing", "internal/billing/engine", "internal/billing/pgstore", "internal/billing/billinghttp", "internal/desk", "internal/desk/pgdesk"} {
		files, err := fs.Glob(root, folder+"/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := fs.ReadFile(root, file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "func ") || strings.HasPrefix(line, "type ") {
					code.WriteString(line)
				}
			}
		}
	}
	named := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `[^|]*\\|(.*)\\|$").FindAllStringSubmatch(readPage(t, "docs/model/README.md"), -1) {
		for _, m := range regexp.MustCompile("`(?:([a-zA-Z]+)\\.)?([a-zA-Z]+)`").FindAllStringSubmatch(row[1], -1) {
			if m[2] == "sql" || m[2] == "go" {
				continue // a file
			}
			named++
			declared := `(?m)^(func|type) ` + m[2] + `\b|^func \(\w+ \*?` + m[1] + `\) ` + m[2] + `\(`
			if m[1] == "" {
				declared = `(?m)^(func|type) (\([^)]*\) )?` + m[2] + `\b`
			}
			if !regexp.MustCompile(declared).MatchString(code.String()) {
				t.Errorf("docs/model/README.md names %s: there is no such function", m[0])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d functions are named: is the table read?", named)
	}
}

// namedPaths are links, and what is written as code and looks like a path.
func namedPaths(page string) (paths []string) {
	for _, m := range regexp.MustCompile("`([^`\\s]+)`").FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], "/") || regexp.MustCompile(`\.(go|sql|md|pml)$`).MatchString(m[1]) {
			paths = append(paths, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(page, -1) {
		paths = append(paths, strings.TrimPrefix(m[1], "../../"))
	}
	return paths
}

const module = "github.com/billonce/billonce/"

// Every package has its room on the map, and what the map says that it may import is
// just what the linter lets it.
func TestMapIsOfTheCode(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "./...")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []string
	for _, p := range strings.Fields(string(out)) {
		packages = append(packages, strings.TrimPrefix(p, module))
	}
	said := mapOfImports(t, readPage(t, "ARCHITECTURE.md"))
	held := importRules(t)
	for _, from := range packages {
		allowed, ok := said[from]
		if !ok {
			t.Errorf("ARCHITECTURE.md has no row for %s", from)
			continue
		}
		for _, to := range packages {
			if to == from || to == "cmd/batch" {
				continue
			}
			says := slices.Contains(allowed, to)
			if holds := held.allow(from, to); says != holds {
				t.Errorf("%s imports %s: ARCHITECTURE.md says %t, .golangci.yml says %t", from, to, says, holds)
			}
		}
	}
	for room := range said {
		if !slices.Contains(packages, room) {
			t.Errorf("ARCHITECTURE.md has a row for %s: there is no such package", room)
		}
	}
}

// mapOfImports reads the table of rooms: what each may import.
func mapOfImports(t testing.TB, page string) map[string][]string {
	t.Helper()
	type row struct{ room, is, imports string }
	var rows []row
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| (.*) \\| (.*?) ?\\|$").FindAllStringSubmatch(page, -1) {
		if m[1] == "sql" || strings.Contains(m[1], "/") {
			rows = append(rows, row{m[1], m[2], m[3]})
		}
	}
	byName := map[string]string{}
	var leaves, product []string
	for _, r := range rows {
		byName[path.Base(r.room)] = r.room
		if strings.HasPrefix(r.is, "leaf:") {
			leaves = append(leaves, r.room)
		}
		if !strings.HasPrefix(r.room, "tools/") {
			product = append(product, r.room)
		}
	}
	said := map[string][]string{}
	for _, r := range rows {
		var named []string
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(r.imports, -1) {
			room, ok := byName[name[1]]
			if !ok {
				t.Errorf("ARCHITECTURE.md lets %s import %s: there is no such room", r.room, name[1])
			}
			named = append(named, room)
		}
		switch {
		case strings.HasPrefix(r.imports, "everything but "):
			for _, p := range product {
				if !slices.Contains(named, p) {
					said[r.room] = append(said[r.room], p)
				}
			}
		case strings.HasSuffix(r.imports, "leaves"):
			said[r.room] = append(named, leaves...)
		default:
			said[r.room] = named
		}
	}
	return said
}

// rules are depguard's, as .golangci.yml has them.
type rules map[string]struct {
	Files []string
	Allow []string
	Deny  []struct{ Pkg string }
}

func importRules(t testing.TB) rules {
	t.Helper()
	var config struct {
		Linters struct {
			Settings struct{ Depguard struct{ Rules rules } }
		}
	}
	if err := yaml.Unmarshal([]byte(readPage(t, ".golangci.yml")), &config); err != nil {
		t.Fatal(err)
	}
	return config.Linters.Settings.Depguard.Rules
}

// allow says whether every rule of a package lets it import another one: of those that
// name it, the longer wins, as depguard has it in its lax mode.
func (rs rules) allow(from, to string) bool {
	for _, r := range rs {
		if !applies(r.Files, "/"+from+"/file.go") {
			continue
		}
		var denied []string
		for _, d := range r.Deny {
			denied = append(denied, d.Pkg)
		}
		if pkg := module + to; longest(denied, pkg) > longest(r.Allow, pkg) {
			return false
		}
	}
	return true
}

// longest is the length of the longest entry that names a package; 0: none does.
func longest(entries []string, pkg string) (most int) {
	for _, e := range entries {
		exact, is := strings.CutSuffix(e, "$")
		if pkg == exact || !is && strings.HasPrefix(pkg, e) {
			most = max(most, len(e))
		}
	}
	return most
}

func applies(patterns []string, file string) bool {
	matched, onlyExcludes := false, true
	for _, p := range patterns {
		p, exclude := strings.CutPrefix(p, "!")
		if p == "$test" {
			continue // no file here is a test's
		}
		quoted := strings.NewReplacer(`\*\*`, ".*", `\*`, "[^/]*").Replace(regexp.QuoteMeta(p))
		if regexp.MustCompile("^" + quoted + "$").MatchString(file) {
			if exclude {
				return false
			}
			matched = true
		}
		onlyExcludes = onlyExcludes && exclude
	}
	return matched || onlyExcludes
}
