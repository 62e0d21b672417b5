package web

import (
	"errors"
	"net/http"

	"github.com/billonce/billonce/internal/desk"
)

// shownReconciliations is how many of the last ones are listed.
const shownReconciliations = 30

// reconciled shows the last reconciliations, or what one of them has found.
func (s *site) reconciled(w http.ResponseWriter, r *http.Request) {
	var page struct {
		All   []desk.Reconciled
		One   *desk.Reconciled
		Found []desk.Difference
	}
	var err error
	if id := r.FormValue("id"); id != "" {
		var one desk.Reconciled
		one, page.Found, err = s.Reconciler.Reconciliation(r.Context(), id)
		page.One = &one
	} else {
		page.All, err = s.Reconciler.Reconciliations(r.Context(), shownReconciliations)
	}
	switch {
	case errors.Is(err, desk.ErrID):
		s.say(w, r, http.StatusNotFound, "No such reconciliation", "Go back to “Reconciled” and choose one there.")
	case err != nil:
		s.fail(w, err)
	default:
		s.show(w, r, "reconciled", "Reconciled", "reconciled", page)
	}
}
