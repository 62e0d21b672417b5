package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// overlay writes the mutant's files into dir, and there a file for go's -overlay:
// builds then see the tree with the mistake in it, and the tree stays as it is.
func (m mutant) overlay(root, dir string) (string, error) {
	replace := make(map[string]string)
	for n, e := range m.edits {
		path := filepath.Join(root, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if found := strings.Count(string(text), e.old); found != 1 {
			return "", fmt.Errorf("%s has this text %d times, not once; write the mutant anew:\n%s", e.file, found, e.old)
		}
		if replace[path] != "" {
			return "", fmt.Errorf("%s is edited twice", e.file)
		}
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d%s", n, filepath.Ext(path)))
		changed := strings.Replace(string(text), e.old, e.new, 1)
		if err := os.WriteFile(replace[path], []byte(changed), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(struct{ Replace map[string]string }{replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// environment has every go command below see the overlay, those that tests start too.
func environment(overlay string) []string {
	return append(os.Environ(), strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay))
}
