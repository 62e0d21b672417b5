package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/billonce/billonce/internal/fault"
)

// Needs says which variables a command cannot do without.
type Needs uint8

// A command may need several.
const (
	Database Needs = 1 << iota
	Billing

	Nothing Needs = 0
)

// Load decodes the environment, and returns all that is wrong with it; what edges
// find wrong with the configuration is added to that by [Join].
func Load(environ []string, need Needs) (Config, []fault.Fault) {
	l := loader{env: LookupIn(environ), need: need}
	for _, v := range variables() {
		if text, ok := l.read(v); ok && text != "" {
			l.add(v.name, v.decodeInto(&l.config, text))
		}
	}
	c := &l.config
	// A run lock on another server than the invoices' excludes nobody.
	if c.DatabaseURL != "" && c.LockDatabaseURL != "" && (c.DatabaseURL == Embedded) != (c.LockDatabaseURL == Embedded) {
		l.add("LOCK_DATABASE_URL", "names another server than DATABASE_URL, one of which is embedded; unset it")
	}
	misspelt, unknown := checkNames(environ, retired())
	c.unknown = unknown
	return c.withFallbacks(l.env), append(l.faults, misspelt...)
}

// Join makes one error of all that is wrong, in the order in which the variables are
// explained; what the earlier lists say comes first (see [fault.Join]).
func Join(faults ...[]fault.Fault) error {
	var order []string
	for _, v := range variables() {
		order = append(order, v.name)
	}
	return fault.Join(order, faults...)
}

// LookupIn is os.LookupEnv for an environment that is passed as a value.
func LookupIn(environ []string) func(string) (string, bool) {
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

// loader reads one variable after the other.
type loader struct {
	env    func(string) (string, bool)
	need   Needs
	config Config
	faults []fault.Fault
}

func (l *loader) add(name, problem string) {
	if problem != "" {
		l.faults = append(l.faults, fault.New(name, "%s", problem))
	}
}

// read returns the variable's text or its default; false if that is a fault.
func (l *loader) read(v variable) (string, bool) {
	text, set := l.env(v.name)
	if v.secret {
		// Secrets made with `echo` end in a newline, wherever they are kept.
		text = strings.TrimRight(text, "\r\n")
		if path, _ := l.env(v.fileTwin()); path != "" {
			return l.readFile(v, path, text)
		}
	}
	switch {
	case text == "" && l.need&v.needed != 0:
		problem := "is required"
		if set {
			problem = "is required, and is set to nothing"
		}
		if v.secret {
			problem += "; set it or " + v.fileTwin()
		}
		l.add(v.name, problem)
		return "", false
	case text == "" && set && v.def != "":
		// An unexpanded ${TABLE} must not make the default table's invoices go out.
		l.add(v.name, "is set to nothing; unset it for its default, "+v.def)
		return "", false
	case text == "":
		return v.def, true
	}
	return text, true
}

func (l *loader) readFile(v variable, path, text string) (string, bool) {
	problem := "is set beside " + v.name + "; unset one of them"
	if text == "" {
		secret, err := readSecret(path)
		if err == nil {
			l.config.BillingFromFiles = l.config.BillingFromFiles || strings.HasPrefix(v.name, "BILLING_")
			return secret, true
		}
		problem = err.Error()
	}
	l.faults = append(l.faults, fault.Fault{Variable: v.fileTwin(), Of: v.name, Problem: problem})
	return "", false
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
