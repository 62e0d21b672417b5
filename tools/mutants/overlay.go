package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// changed is what the files are with the mistake in them, by their paths.
func (m mutant) changed(root string) (map[string]string, error) {
	changed := make(map[string]string)
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if found := strings.Count(string(text), e.old); found != 1 {
			return nil, fmt.Errorf("%s has this text %d times, not once; write the mutant anew:\n%s", e.file, found, e.old)
		}
		if changed[path] != "" {
			return nil, fmt.Errorf("%s is edited twice", e.file)
		}
		changed[path] = strings.Replace(string(text), e.old, e.new, 1)
	}
	return changed, nil
}

// overlay writes the mutant's files into dir, and there a file for go's -overlay:
// builds then see the tree with the mistake in it, and the tree stays as it is.
func (m mutant) overlay(root, dir string) (string, error) {
	changed, err := m.changed(root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for path, text := range changed {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d%s", len(replace), filepath.Ext(path)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
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
