package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// needs says which variables a command cannot do without.
type needs uint8

const (
	needDatabase needs = 1 << iota
	needBilling

	needNothing needs = 0
)

// loadConfig reads the configuration and returns all its faults as one
// *configError. names lists what is set (see namesIn); without it misspelt
// variables go unnoticed, since env can only be asked about names it is given.
func loadConfig(env func(string) (string, bool), need needs, names ...string) (config, error) {
	var c config
	found := newFaults()
	for _, v := range variables() {
		text, ok := v.read(env, need, found)
		if !ok || text == "" {
			continue
		}
		if problem := v.decodeInto(&c, text); problem != "" {
			found.add(v.name, problem)
		}
	}
	c.check(found.add)
	addMisspelt(found, env, names)
	if err := found.err(); err != nil {
		return config{}, err
	}
	return c.withFallbacks(), nil
}

// lookupIn is os.LookupEnv for an environment that is passed as a value.
func lookupIn(environ []string) func(string) (string, bool) {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func namesIn(environ []string) []string {
	names := make([]string, 0, len(environ))
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	return names
}

// read returns the variable's text or its default; false if that is a fault.
func (v variable) read(env func(string) (string, bool), need needs, found *faults) (string, bool) {
	text, set := env(v.name)
	if v.secret {
		// Secrets made with `echo` end in a newline, wherever they are kept.
		text = strings.TrimRight(text, "\r\n")
		if path, _ := env(v.fileTwin()); path != "" {
			return v.readFile(path, text, found)
		}
	}
	switch {
	case text == "" && need&v.needed != 0:
		problem := "is required"
		if set {
			problem = "is required, and is set to nothing"
		}
		if v.secret {
			problem += "; set it or " + v.fileTwin()
		}
		found.add(v.name, problem)
		return "", false
	case text == "" && set && v.def != "":
		// An unexpanded ${TABLE} must not make the default table's invoices go out.
		found.add(v.name, "is set to nothing; unset it for its default, "+v.def)
		return "", false
	case text == "":
		return v.def, true
	}
	return text, true
}

func (v variable) readFile(path, text string, found *faults) (string, bool) {
	if text != "" {
		found.add(v.fileTwin(), "is set beside "+v.name+"; unset one of them")
		return "", false
	}
	secret, err := readSecret(path)
	if err != nil {
		found.add(v.fileTwin(), err.Error())
		return "", false
	}
	return secret, true
}

// readSecret reads a short file. Its errors don't quote the path: a secret that
// was put where its file's name belongs would be printed.
func readSecret(path string) (string, error) {
	const most = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open the file: %w", reasonOf(err))
	}
	defer file.Close() //nolint:errcheck // nothing was written
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return "", fmt.Errorf("read the file: %w", reasonOf(err))
	}
	secret := strings.TrimRight(string(content), "\r\n")
	switch {
	case len(content) > most:
		return "", fmt.Errorf("the file has more than %d bytes", most)
	case secret == "":
		return "", errors.New("the file is empty")
	}
	return secret, nil
}

// reasonOf strips the path from an error of package os.
func reasonOf(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return errors.New("unexpected error")
}
