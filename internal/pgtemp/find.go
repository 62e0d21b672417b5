package pgtemp

import (
	"fmt"
	"os"
	"path/filepath"
)

// usualPlaces are where Debian, Fedora and Homebrew keep PostgreSQL.
func usualPlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	}
}

// installed returns the folder that holds postgres and initdb: POSTGRES_BIN, PATH,
// the usual places, the newest version first. It is empty where there is none.
func installed(getenv func(string) string) (string, error) {
	if dir := getenv("POSTGRES_BIN"); dir != "" {
		if !complete(dir) {
			return "", fmt.Errorf("POSTGRES_BIN: %s does not hold postgres and initdb: set it to the folder that does, or unset it", dir)
		}
		return filepath.Abs(dir)
	}
	for _, dir := range filepath.SplitList(getenv("PATH")) {
		if complete(dir) {
			return filepath.Abs(home(dir))
		}
	}
	for _, pattern := range usualPlaces() {
		if dir, err := newest(pattern); dir != "" || err != nil {
			return dir, err
		}
	}
	return "", nil
}

// home is the folder that dir's postgres leads to: beside a link to it, the
// installation's other programs may be missing.
func home(dir string) string {
	program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if there := filepath.Dir(program); err == nil && complete(there) {
		return there
	}
	return dir
}

func complete(dir string) bool {
	return dir != "" && executable(filepath.Join(dir, "postgres")) && executable(filepath.Join(dir, "initdb"))
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// byVersionDescending compares paths as numbers where they differ in a number:
// 15 is younger than 9.
func byVersionDescending(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}
