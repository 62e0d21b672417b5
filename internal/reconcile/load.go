package reconcile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/words"
)

const (
	// shownUnreadable is how many of the lines that can't be read are named.
	shownUnreadable = 20
	progressEvery   = 100_000 // lines
)

// UnreadableError says which lines of the list can't be read. Nothing was compared.
type UnreadableError struct {
	First []error // each begins with the line's number
	Count int64
}

func (e *UnreadableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of the list can't be read; nothing was compared", words.Plural(e.Count, "line"))
	for _, err := range e.First {
		b.WriteString("\n  " + err.Error())
	}
	if more := e.Count - int64(len(e.First)); more > 0 {
		fmt.Fprintf(&b, "\n  and %s more", words.Count(more))
	}
	return b.String()
}

// ListError says that the list as a whole is none that can be read.
type ListError struct{ Err error }

func (e *ListError) Error() string { return e.Err.Error() }
func (e *ListError) Unwrap() error { return e.Err }

// errCopyEnded is what the reader is told when the database takes no more.
var errCopyEnded = errors.New("the database takes no more lines")

// Read takes the whole list into a temporary table. What can't be read is an
// [UnreadableError] or a [ListError].
func (r *Reconciliation) Read(ctx context.Context, file io.Reader) error {
	hash := sha256.New()
	raw := io.TeeReader(file, hash)
	l, err := openList(raw, r.Columns)
	if err != nil {
		return &ListError{err}
	}
	r.found = l.columns()
	if r.found.has(FieldStatus) && len(r.Form.Acted) == 0 {
		return &ListError{errors.New("the list has a status: say which ones mean that the API acted, for example --acted paid,sent")}
	}
	if r.Form.Minor && !r.found.has(FieldCurrency) {
		return &ListError{errors.New("--minor needs the currency of each line: name its column, for example --columns id=Reference,amount=Net,currency=Cur")}
	}
	if err := r.exec(ctx, "reconcile_theirs", nil); err != nil {
		return err
	}
	from, to := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := r.copyLines(l, to)
		to.CloseWithError(err)
		read <- err
	}()
	_, err = r.conn.PgConn().CopyFrom(ctx, from, "copy pg_temp.billonce_theirs from stdin")
	from.CloseWithError(errCopyEnded)
	select {
	case readErr := <-read:
		if readErr != nil && !errors.Is(readErr, errCopyEnded) {
			return readErr
		}
	case <-ctx.Done(): // the file may never say anything again
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the list into the database: %w", err)
	}
	// What stands behind the last record, if anything does, belongs to the file.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	r.sha = hash.Sum(nil)
	_, err = r.conn.Exec(ctx, "analyze pg_temp.billonce_theirs")
	return err
}

// copyLines writes the lines as COPY's text format takes them. After the first one that
// can't be read it only looks for others.
func (r *Reconciliation) copyLines(l list, to io.Writer) error {
	out := bufio.NewWriterSize(to, lookAhead)
	var bad UnreadableError
	var whole *ListError
	note := func(err error) {
		if bad.Count++; len(bad.First) < shownUnreadable {
			bad.First = append(bad.First, err)
		}
	}
	var row []byte
	for {
		rec, err := l.next()
		var wrong *unreadable
		switch {
		case errors.Is(err, io.EOF) && bad.Count > 0:
			return &bad
		case errors.Is(err, io.EOF):
			return out.Flush()
		case errors.As(err, &wrong):
			note(err)
			continue
		case errors.As(err, &whole):
			return err
		case err != nil:
			return fmt.Errorf("read the list: %w", err)
		}
		if r.lines++; r.lines%progressEvery == 0 && r.Progress != nil {
			r.Progress(r.lines)
		}
		one, err := r.Form.read(rec.number, r.found.has, rec.text)
		if err != nil {
			note(&unreadable{rec.number, err})
		}
		if bad.Count > 0 {
			continue
		}
		if one.id == "" && one.key == "" && one.replyID == "" {
			r.blank++
		}
		row = one.appendTo(row[:0])
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
}

// appendTo writes the line as reconcile_theirs.sql has its columns.
func (l line) appendTo(row []byte) []byte {
	row = strconv.AppendInt(row, l.number, 10)
	for _, text := range []string{l.id, l.foreign, l.key, l.replyID, l.amount, l.currency, l.status} {
		row = appendText(append(row, '\t'), text)
	}
	row = append(row, '\t', 'f')
	if l.acted {
		row[len(row)-1] = 't'
	}
	row = append(row, '\t')
	if l.at.IsZero() {
		return append(row, '\\', 'N', '\n')
	}
	return append(l.at.AppendFormat(row, time.RFC3339Nano), '\n')
}

// appendText escapes a text for COPY (manual, COPY, Text Format); an empty one is null.
func appendText(row []byte, text string) []byte {
	if text == "" {
		return append(row, '\\', 'N')
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			row = append(row, '\\', '\\')
		case '\t':
			row = append(row, '\\', 't')
		case '\n':
			row = append(row, '\\', 'n')
		case '\r':
			row = append(row, '\\', 'r')
		default:
			row = append(row, c)
		}
	}
	return row
}
