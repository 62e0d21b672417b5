package report

import (
	"encoding/json"
	"io"
)

// WriteJSON writes the whole report.
func (r Report) WriteJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
