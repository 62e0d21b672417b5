package reconcile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	// lookAhead is how much of a file is looked at to tell what it is.
	lookAhead = 64 << 10
	// headerWithin is how many records may stand before the header: banks put their
	// name there.
	headerWithin = 50
)

// list reads a file's records, whatever their notation.
type list interface {
	// next reads a record; at the end it is io.EOF. An *unreadable is one record's, and
	// the next one may be read.
	next() (record, error)
	// columns are those of the fields that the list has.
	columns() Columns
}

type record struct {
	number int64 // of the line on which it begins, from 1
	text   func(Field) string
}

// unreadable is what is wrong with one line.
type unreadable struct {
	number int64
	err    error
}

func (u *unreadable) Error() string { return fmt.Sprintf("line %d: %v", u.number, u.err) }
func (u *unreadable) Unwrap() error { return u.err }

// openList finds out what a file is: UTF-8 or UTF-16, CSV or JSON lines.
func openList(file io.Reader, c Columns) (list, error) {
	raw := bufio.NewReaderSize(file, lookAhead)
	begin, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	decoded := bufio.NewReaderSize(transform.NewReader(raw, decoder(begin)), lookAhead)
	ahead, err := decoded.Peek(lookAhead)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	switch first := bytes.TrimSpace(ahead); {
	case len(first) == 0:
		return nil, errors.New("the list is empty: it has not even a header")
	case bytes.HasPrefix(first, []byte("PK\x03\x04")):
		return nil, errors.New("the list is a zip file or a spreadsheet: export it as CSV")
	case first[0] == '[':
		return nil, errors.New("the list is one JSON array: write an object a line, for example with jq -c '.[]'")
	case first[0] == '{':
		return openJSON(decoded, c)
	}
	return openCSV(decoded, ahead, c)
}

// decoder is by the byte order mark, or else by where the zero bytes are.
func decoder(begin []byte) transform.Transformer {
	fallback := transform.Transformer(transform.Nop)
	if len(begin) == 4 {
		switch {
		case begin[0] != 0 && begin[1] == 0 && begin[2] != 0 && begin[3] == 0:
			fallback = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder()
		case begin[0] == 0 && begin[1] != 0 && begin[2] == 0 && begin[3] != 0:
			fallback = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder()
		}
	}
	return unicode.BOMOverride(fallback)
}

// csvList is CSV (RFC 4180) with a header.
type csvList struct {
	reader *csv.Reader
	width  int
	places [fields]int
	found  Columns
}

// openCSV takes the delimiter with which a header is found.
func openCSV(file io.Reader, ahead []byte, c Columns) (list, error) {
	var first error
	skipped := 0 // a first line sep=; is Excel's
	if line, _, found := bytes.Cut(ahead, []byte("\n")); found && bytes.HasPrefix(line, []byte("sep=")) {
		skipped = 1
	}
	for _, comma := range []rune{',', ';', '\t', '|'} {
		at, l, err := findHeader(csvReader(bytes.NewReader(ahead), comma), c, skipped)
		if err != nil {
			if first == nil || errors.Is(first, errNothingIdentifies) {
				first = err
			}
			continue
		}
		l.reader = csvReader(file, comma)
		for range at {
			if _, err := l.reader.Read(); err != nil {
				return nil, fmt.Errorf("read the list's header: %w", err)
			}
		}
		return l, nil
	}
	return nil, fmt.Errorf("the list's header %w", first)
}

func csvReader(file io.Reader, comma rune) *csv.Reader {
	r := csv.NewReader(file)
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = comma, -1, true
	return r
}

// findHeader counts the records up to the header, itself included.
func findHeader(r *csv.Reader, c Columns, skipped int) (at int, l *csvList, err error) {
	for at = 1; at <= headerWithin; at++ {
		header, readErr := r.Read()
		if readErr != nil {
			break
		}
		if at <= skipped {
			continue
		}
		places, found, inErr := c.in(header)
		if inErr == nil {
			return at, &csvList{width: len(header), places: places, found: found}, nil
		}
		if err == nil {
			err = inErr
		}
	}
	if err == nil {
		err = errNothingIdentifies
	}
	return 0, nil, err
}

func (l *csvList) columns() Columns { return l.found }

func (l *csvList) next() (record, error) {
	fields, err := l.reader.Read()
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong):
		return record{}, &unreadable{int64(wrong.StartLine), fmt.Errorf("%w: the file may be cut off, or a quote is not doubled", wrong.Err)}
	case err != nil:
		return record{}, err
	}
	number, _ := l.reader.FieldPos(0)
	if len(fields) < l.width || strings.Join(fields[l.width:], "") != "" {
		return record{}, &unreadable{int64(number), fmt.Errorf("it has %d fields and the header %d: the file may be cut off, or a value with the delimiter in it is not quoted", len(fields), l.width)}
	}
	return record{int64(number), func(f Field) string {
		if l.places[f] < 0 {
			return ""
		}
		return fields[l.places[f]]
	}}, nil
}
