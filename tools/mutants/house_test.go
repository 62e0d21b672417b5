package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// house is the tree's packages. To check the types of one is to know that it compiles, in
// a fraction of the time that building takes.
type house struct {
	files   map[string][]string // of a package, by its folder
	fset    *token.FileSet
	imports types.Importer
}

// list has the compiler say what each package exports.
func list(ctx context.Context, root string) (*house, error) {
	c := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles", "./cmd/...", "./internal/...", "./sql/...")
	c.Dir = root
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	h := &house{files: make(map[string][]string), fset: token.NewFileSet()}
	exports := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p struct {
			ImportPath, Export, Dir string
			GoFiles                 []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		for _, name := range p.GoFiles {
			h.files[p.Dir] = append(h.files[p.Dir], filepath.Join(p.Dir, name))
		}
	}
	h.imports = importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return h, nil
}

// check checks the types of the packages that have changed files, given by their paths.
func (h *house) check(changed map[string]string) error {
	for path := range changed {
		if filepath.Ext(path) != ".go" {
			continue
		}
		var files []*ast.File
		for _, name := range h.files[filepath.Dir(path)] {
			var text any
			if c, ok := changed[name]; ok {
				text = c
			}
			file, err := parser.ParseFile(h.fset, name, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		var faults []error
		all := types.Config{Importer: h.imports, Error: func(err error) { faults = append(faults, err) }}
		if _, err := all.Check(filepath.Dir(path), h.fset, files, nil); err != nil {
			return errors.Join(faults...)
		}
	}
	return nil
}
