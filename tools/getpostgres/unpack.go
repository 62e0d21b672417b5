package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpack writes the server of an npm package into a folder. In such an archive no
// file may be run and there are no symbolic links: native/pg-symlinks.json lists
// those that the package would make as it is installed.
func unpack(archive []byte, dir string) (err error) {
	root, err := os.OpenRoot(dir) // no name in the archive leads out of it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	const native, links = "package/native/", "pg-symlinks.json"
	var listed []byte
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ours := strings.CutPrefix(header.Name, native)
		switch {
		case !ours || header.Typeflag != tar.TypeReg:
		case name == links:
			if listed, err = io.ReadAll(files); err != nil {
				return err
			}
		default:
			if err := unpackFile(root, name, files); err != nil {
				return err
			}
		}
	}
	return link(root, listed)
}

func unpackFile(root *os.Root, name string, content io.Reader) (err error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if path.Dir(name) == "bin" {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// link makes the symbolic links that a list names. A package without any has none.
func link(root *os.Root, list []byte) error {
	if list == nil {
		return nil
	}
	var all []struct{ Source, Target string }
	if err := json.Unmarshal(list, &all); err != nil {
		return fmt.Errorf("read the list of symbolic links: %w", err)
	}
	for _, l := range all {
		source, target := strings.TrimPrefix(l.Source, "native/"), strings.TrimPrefix(l.Target, "native/")
		relative, err := filepath.Rel(path.Dir(target), source)
		if err != nil || !filepath.IsLocal(source) {
			return fmt.Errorf("the symbolic link %s leads to %s, out of the package", l.Target, l.Source)
		}
		if err := root.Symlink(relative, target); err != nil {
			return err
		}
	}
	return nil
}
