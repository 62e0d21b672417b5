package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

//go:embed style.css icon.svg live.js choose.js *.gohtml
var assets embed.FS

// site answers requests that the guard let in.
type site struct {
	Page
	views     *template.Template
	live      *live
	tracker   tracker
	searching chan struct{} // holds one while somebody searches the ledger
}

// frame is what every page has around it.
type frame struct {
	Title, Book, Here string
	Who               reader
	Body              any
}

func parseViews() (*template.Template, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"count": words.Count[int64], "money": words.Money, "stamp": stamp, "instant": instant, "clock": clock, "oneline": plain, "likeness": desk.ShortReason, "kind": desk.KindInWords, "invoices": invoices, "lines": strings.Lines, "state": stateInWords, "choice": choiceInWords,
	}).ParseFS(assets, "*.gohtml")
	if err != nil {
		return nil, fmt.Errorf("read the page's templates: %w", err)
	}
	return t, nil
}

func stamp(t time.Time) string   { return t.Format("2006-01-02 15:04:05 MST") }
func instant(t time.Time) string { return t.Format(time.RFC3339Nano) }
func clock(t time.Time) string   { return t.Format("15:04:05") }

func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		content, err := assets.ReadFile(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content)
	}
}

// show writes a page whole, or an error: never half of a page.
func (s *site) show(w http.ResponseWriter, r *http.Request, view, title, here string, body any) {
	var b bytes.Buffer
	err := s.views.ExecuteTemplate(&b, view, frame{title, s.Book, here, whoAsks(r.Context()), body})
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w)
}

// say is a page of one sentence.
func (s *site) say(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	var b bytes.Buffer
	if err := s.views.ExecuteTemplate(&b, "say", frame{title, s.Book, "", whoAsks(r.Context()), text}); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// fail says that the database can't be read; why stands in the log, since an error may
// name hosts and roles.
func (s *site) fail(w http.ResponseWriter, err error) {
	if errors.Is(err, desk.ErrID) {
		http.Error(w, "That is not an id of this book's invoices.", http.StatusNotFound)
		return
	}
	s.Log.Error().Err(err).Msg("can't show a page")
	http.Error(w, "The ledger can't be read now. The log of `batch serve` says why. Try again in a minute.", http.StatusServiceUnavailable)
}

func (s *site) tonight(w http.ResponseWriter, r *http.Request) {
	st, err := s.Desk.Status(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	nights, err := s.Desk.Nights(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	s.show(w, r, "tonight", "Tonight", "tonight", struct {
		Now    now
		Nights nightsPicture
	}{newNow(st, s.tracker.add(st)), drawNights(nights, st.At)})
}

func (s *site) invoice(w http.ResponseWriter, r *http.Request) {
	h, err := s.Desk.History(r.Context(), billing.InvoiceID(r.FormValue("id")))
	if err != nil {
		s.fail(w, err)
		return
	}
	body := struct {
		desk.History
		Pick    string
		Choices []string
	}{History: h}
	if whoAsks(r.Context()).Decides {
		body.Choices = desk.ChoicesOf(h.State, h.Invoice)
	}
	if len(body.Choices) > 0 {
		now, err := s.Decider.Deliveries(r.Context(), []billing.InvoiceID{h.InvoiceID})
		if err != nil {
			s.fail(w, err)
			return
		}
		body.Pick = pick(now[0].Show())
	}
	s.show(w, r, "invoice", "Invoice "+string(h.InvoiceID), "invoice", body)
}

// watch sends the part of the page that changes, as server-sent events (HTML, 9.2).
func (s *site) watch(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if control.Flush() != nil {
		return
	}
	news, leave := s.live.watch()
	defer leave()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.live.ctx.Done():
			return
		case event := <-news:
			// A reader that takes nothing any more holds no connection for ever.
			if control.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
				return
			}
			if _, err := w.Write(event); err != nil || control.Flush() != nil {
				return
			}
		}
	}
}

// event is the part of the page that changes, as one server-sent event.
func (s *site) event(st desk.Status) ([]byte, error) {
	var part, event bytes.Buffer
	if err := s.views.ExecuteTemplate(&part, "now", newNow(st, s.tracker.add(st))); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(part.Bytes()) {
		event.WriteString("data: ")
		event.Write(bytes.TrimRight(line, "\n"))
		event.WriteByte('\n')
	}
	event.WriteByte('\n')
	return event.Bytes(), nil
}
