package reconcile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// longestLine bounds a JSON line, and with it our memory.
const longestLine = 16 << 20

// jsonList is JSON lines: an object a line.
type jsonList struct {
	scanner *bufio.Scanner
	number  int64
	found   Columns
	first   []byte // was read to see what there is
	seen    [fields]bool
}

// openJSON reads the first object, whose names say which fields there are unless
// --columns does: a later one may leave some out.
func openJSON(file io.Reader, c Columns) (list, error) {
	l := &jsonList{scanner: bufio.NewScanner(file), found: c}
	l.scanner.Buffer(make([]byte, 0, lookAhead), longestLine)
	if c.given {
		return l, nil
	}
	first, err := l.line()
	if err != nil {
		return nil, err
	}
	l.first = bytes.Clone(first)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(l.first, &object); err != nil {
		return nil, fmt.Errorf("line %d of the list is no JSON object: %w", l.number, err)
	}
	var names []string
	for name := range object {
		names = append(names, name)
	}
	places, found, err := c.in(names)
	if err != nil {
		return nil, fmt.Errorf("the list's first object %w", err)
	}
	for f, at := range places {
		if at >= 0 {
			found.columns[f] = names[at]
		}
	}
	l.found = found
	return l, nil
}

func (l *jsonList) columns() Columns { return l.found }

// line is the next one that is not blank.
func (l *jsonList) line() ([]byte, error) {
	for l.scanner.Scan() {
		l.number++
		if line := bytes.TrimSpace(l.scanner.Bytes()); len(line) > 0 {
			return line, nil
		}
	}
	switch err := l.scanner.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d of the list is longer than %d MiB", l.number+1, longestLine>>20)
	default:
		return nil, err
	}
}

func (l *jsonList) next() (record, error) {
	line := l.first
	if l.first = nil; line == nil {
		var err error
		if line, err = l.line(); err != nil {
			return record{}, l.end(err)
		}
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var object map[string]any
	err := d.Decode(&object)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return record{}, &unreadable{l.number, fmt.Errorf("it is no JSON object (is the file cut off?): %w", err)}
	}
	var texts [fields]string
	for f := range fields {
		if texts[f], err = member(object, l.found.columns[f]); err != nil {
			return record{}, &unreadable{l.number, err}
		}
		l.seen[f] = l.seen[f] || texts[f] != ""
	}
	return record{l.number, func(f Field) string { return texts[f] }}, nil
}

// end finds a misspelt column at the list's end: there is no header to look into.
func (l *jsonList) end(err error) error {
	for f, seen := range l.seen {
		if name := l.found.columns[f]; errors.Is(err, io.EOF) && !seen && name != "" && l.number > 0 {
			return &ListError{fmt.Errorf("no line of the list has a value %q: is its name right in --columns?", name)}
		}
	}
	return err
}

// member is a value as text: by its name, else by a dotted path. What is absent or
// null is empty.
func member(object map[string]any, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	value, there := object[name]
	if rest := object; !there {
		steps := strings.Split(name, ".")
		for _, step := range steps[:len(steps)-1] {
			rest, _ = rest[step].(map[string]any)
		}
		value = rest[steps[len(steps)-1]]
	}
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	}
	return "", fmt.Errorf("%q is neither text nor number", name)
}
