package web

import (
	"net/http"
	"strings"

	"github.com/billonce/billonce/internal/desk"
)

// pause stops the book's runs.
func (s *site) pause(w http.ResponseWriter, r *http.Request) {
	reason, who := r.PostFormValue("reason"), whoAsks(r.Context()).Name
	if strings.TrimSpace(reason) == "" || len([]rune(reason)) > desk.LongestReason {
		s.say(w, r, http.StatusBadRequest, notPaused, "Say why, in at most 1,000 characters: whoever looks for the next run reads it.")
		return
	}
	paused, err := s.Pauser.Pause(r.Context(), who, reason)
	switch {
	case err != nil:
		s.fail(w, err)
	case !paused:
		s.say(w, r, http.StatusConflict, notPaused, "The book was paused already. “Tonight” says by whom.")
	default:
		s.Log.Info().Str("by", who).Msg("the book was paused on the page")
		seeTonight(w)
	}
}

// resume ends the pause that its decider has seen, and no later one.
func (s *site) resume(w http.ResponseWriter, r *http.Request) {
	pause, err := s.Pauser.Paused(r.Context())
	if err == nil && (pause == nil || instant(pause.At) != r.PostFormValue("paused_at")) {
		s.say(w, r, http.StatusConflict, "The book was not resumed", "It is not paused as you saw it any more. “Tonight” says how it is now.")
		return
	}
	if err == nil {
		_, err = s.Pauser.Resume(r.Context())
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.Log.Info().Str("by", whoAsks(r.Context()).Name).Msg("the book was resumed on the page")
	seeTonight(w)
}

const notPaused = "The book was not paused"

// seeTonight leads to the first page, wherever a proxy has put it.
func seeTonight(w http.ResponseWriter) {
	w.Header().Set("Location", "./")
	w.WriteHeader(http.StatusSeeOther)
}
