package web

import (
	"fmt"
	"net/http"

	"github.com/billonce/billonce/internal/desk"
)

const (
	// maxFile is how large a file of decisions may be, in bytes.
	maxFile = 1 << 20

	// rowsRead is how many open invoices are in memory while all are written.
	rowsRead = 2000
)

// openCSV writes what is open, of one kind or all, for a spreadsheet.
func (s *site) openCSV(w http.ResponseWriter, r *http.Request) {
	parts := []desk.OpenPart{}
	for _, kind := range desk.OpenKinds() {
		if wanted := r.FormValue("kind"); wanted == "" || wanted == string(kind) {
			parts = append(parts, desk.OpenPart{Kind: kind, Reason: r.FormValue("reason"), Limit: rowsRead})
		}
	}
	if len(parts) == 0 {
		s.say(w, r, http.StatusNotFound, "No such list", "Go back to “To decide” and choose one there.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="open.csv"`)
	patient(w)
	csv := desk.OpenCSV{Out: w}
	err := s.writeOpen(r, parts, csv.Write)
	if err == nil {
		err = csv.End()
	}
	if err != nil {
		s.Log.Error().Err(err).Msg("a list of what is open broke off")
		panic(http.ErrAbortHandler) // so that no half of it is taken for the whole
	}
}

func (s *site) writeOpen(r *http.Request, parts []desk.OpenPart, write func([]desk.OpenItem) error) error {
	for _, part := range parts {
		for {
			page, err := s.Opened.OpenPage(r.Context(), part)
			if err == nil {
				err = r.Context().Err()
			}
			if err == nil {
				err = write(page.Items)
			}
			if err != nil {
				return err
			}
			if part.After = page.Next; part.After == nil {
				break
			}
		}
	}
	return nil
}

// file previews decisions that stand in a file: all of its rows are sound, or nothing of
// it counts.
func (s *site) file(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFile)
	file, _, err := r.FormFile("file")
	if err != nil {
		s.say(w, r, http.StatusBadRequest, nothing, fmt.Sprintf("There is no file, or it is larger than %d bytes. `batch resolve --from` takes larger ones.", maxFile))
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	decisions, err := desk.ReadDecisions(file, r.PostFormValue("reason"))
	if err != nil {
		s.say(w, r, http.StatusBadRequest, nothing, err.Error())
		return
	}
	if len(decisions) == 0 {
		s.say(w, r, http.StatusBadRequest, nothing, "The file holds no decisions: its column decision is empty.")
		return
	}
	wanted := make([]desk.Wanted, len(decisions))
	for i, d := range decisions {
		wanted[i] = d.Wanted()
	}
	s.showPreview(w, r, wanted)
}
