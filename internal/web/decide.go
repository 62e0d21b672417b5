package web

import (
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// rowsShown is how many invoices one page of what is open shows.
const rowsShown = 50

// decide shows what is open, in groups.
func (s *site) decide(w http.ResponseWriter, r *http.Request) {
	read, last, err := s.Opened.OpenRead(r.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	s.show(w, r, "decide", "To decide", "decide", desk.Groups(read, last))
}

// openRow is one open invoice, and what a form carries to decide about it.
type openRow struct {
	desk.OpenItem
	Pick string // empty: there is nothing to choose
}

type openList struct {
	Kind    billing.OpenKind
	Reason  string
	Rows    []openRow
	Next    *desk.OpenPlace
	Choices []string
}

// open shows what is open of one kind, or for one reason, the most money first.
func (s *site) open(w http.ResponseWriter, r *http.Request) {
	part, ok := openPart(r)
	if !ok {
		s.say(w, r, http.StatusNotFound, "No such list", "Go back to “To decide” and choose one there.")
		return
	}
	page, err := s.Opened.OpenPage(r.Context(), part)
	if err != nil {
		s.fail(w, err)
		return
	}
	list := openList{Kind: part.Kind, Reason: part.Reason, Next: page.Next}
	if whoAsks(r.Context()).Decides {
		list.Choices = desk.Choices(part.Kind)
	}
	for _, item := range page.Items {
		row := openRow{OpenItem: item}
		if item.Delivery != nil && len(list.Choices) > 0 {
			row.Pick = pick(item.Delivery.Show())
		}
		list.Rows = append(list.Rows, row)
	}
	s.show(w, r, "open", openTitle(part.Kind), "decide", list)
}

// openPart reads which part of what is open is asked for.
func openPart(r *http.Request) (part desk.OpenPart, ok bool) {
	part = desk.OpenPart{Kind: billing.OpenKind(r.FormValue("kind")), Reason: r.FormValue("reason"), Limit: rowsShown}
	if !slices.Contains(desk.OpenKinds(), part.Kind) {
		return part, false
	}
	if r.Form.Has("after") {
		part.After = &desk.OpenPlace{Order: r.FormValue("order"), InvoiceID: billing.InvoiceID(r.FormValue("after"))}
		if _, ok := new(big.Rat).SetString(part.After.Order); !ok || len(part.After.Order) > longestNumber {
			return part, false
		}
	}
	return part, true
}

// longestNumber is more than any amount has, in characters.
const longestNumber = 200

func openTitle(kind billing.OpenKind) string { return "To decide: " + desk.KindInWords(kind) }

// pick is how a form carries a delivery as it was shown: browsers change line breaks in a
// form's values, and an id may hold one.
func pick(wanted desk.Wanted) string {
	text, err := json.Marshal(wanted)
	if err != nil {
		return "" // a time before the year 0: it can't be chosen
	}
	return string(text)
}

func picked(values []string) (all []desk.Wanted, ok bool) {
	for _, v := range values {
		var wanted desk.Wanted
		if json.Unmarshal([]byte(v), &wanted) != nil || wanted.InvoiceID == "" || wanted.State == "" || wanted.UpdatedAt.Equal(time.Time{}) {
			return nil, false
		}
		all = append(all, wanted)
	}
	return all, true
}

// choiceText is a decision as a form offers it.
type choiceText struct{ Word, Says, Does string }

// choiceInWords says what a decision claims, and what comes of it.
func choiceInWords(word string) choiceText {
	t := choiceText{Word: word}
	switch word {
	case "sent":
		t.Says, t.Does = "It was sent", "You have found it in the provider's books. It is marked as sent, and never sent again."
	case "retry":
		t.Says, t.Does = "Send it again", "You have made sure that the provider has not acted on it. The next run sends it, as it is now."
	case "cancel":
		t.Says, t.Does = "Don't send it", "No run sends it. It stays as it is, and can be reopened."
	case "again":
		t.Says, t.Does = "Send it once more", "It was sent, and has to be sent once more. The next run does that, under another idempotency key."
	case "reopen":
		t.Says, t.Does = "Reopen it", "It is again what it was before it was cancelled."
	}
	return t
}
