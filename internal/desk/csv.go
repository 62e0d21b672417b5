package desk

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// spreadsheetsRun are the beginnings of text that a spreadsheet takes for a formula.
const spreadsheetsRun = "=+-@\t"

// plainCell is text that no spreadsheet runs.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune(spreadsheetsRun, rune(text[0])) {
		return "'" + text
	}
	return text
}

// table writes CSV with a header.
type table struct{ w *csv.Writer }

func newTable(out io.Writer, header ...string) (table, error) {
	t := table{csv.NewWriter(out)}
	return t, t.w.Write(header)
}

func (t table) row(cells ...string) error {
	for i, c := range cells {
		cells[i] = plainCell(c)
	}
	return t.w.Write(cells)
}

func (t table) end() error {
	t.w.Flush()
	return t.w.Error()
}

// statusCell is empty where there was no reply.
func statusCell(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

// cellText is what plainCell was given.
func cellText(cell string) string {
	if rest, quoted := strings.CutPrefix(cell, "'"); quoted && rest != "" && strings.ContainsRune(spreadsheetsRun, rune(rest[0])) {
		return rest
	}
	return cell
}
