package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Message is what NOTIFY_URL takes.
type Message struct {
	News     billing.News
	RunName  string
	RunID    string
	Job      string // empty: not in a Job
	ExitCode int
	At       time.Time
	Open     map[billing.OpenKind]int64
}

type kind struct {
	of   billing.OpenKind
	text string
}

func kinds() []kind {
	return []kind{
		{billing.OpenInDoubt, "in doubt"},
		{billing.OpenUnmarked, "billed and not marked"},
		{billing.OpenFailed, "refused by the API"},
		{billing.OpenPendingAgain, "pending again though sent"},
		{billing.OpenSetAside, "set aside"},
		{billing.OpenRetry, "tried in vain for two days"},
	}
}

// text is the message in words.
func (m Message) text() string {
	book := "Billonce, " + m.RunName + ": "
	switch m.News {
	case billing.NewsRefused:
		return book + "a run was refused, since its environment is not safe (exit code 5). Its log says why, and what to do."
	case billing.NewsNothing:
		return book + "nothing waits for a person any more."
	case billing.NewsOpen, billing.NoNews:
	}
	var parts []string
	total := int64(0)
	for _, k := range kinds() {
		if n := m.Open[k.of]; n > 0 {
			parts = append(parts, words.Count(n)+" "+k.text)
			total += n
		}
	}
	verb := "invoices wait"
	if total == 1 {
		verb = "invoice waits"
	}
	return fmt.Sprintf("%s%s %s for a person: %s. `batch status --open` shows them.", book, words.Count(total), verb, strings.Join(parts, ", "))
}

// values are what a template is filled from, and what is sent as JSON without one.
func (m Message) values() map[string]any {
	all := map[string]any{
		"event": string(m.News), "text": m.text(), "run_name": m.RunName, "run_id": m.RunID, "job": m.Job,
		"exit_code": m.ExitCode, "at": m.At.UTC().Format(time.RFC3339),
	}
	total := int64(0)
	for _, k := range kinds() {
		all[string(k.of)] = m.Open[k.of]
		total += m.Open[k.of]
	}
	all["open"] = total
	return all
}

// parseBody reads NOTIFY_BODY, and tries it on a message.
func parseBody(text string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	t, err := template.New("NOTIFY_BODY").Option("missingkey=error").Funcs(template.FuncMap{"json": asJSON}).Parse(text)
	for _, news := range []billing.News{billing.NewsRefused, billing.NewsOpen, billing.NewsNothing} {
		if err == nil {
			err = t.Execute(&bytes.Buffer{}, Message{News: news}.values())
		}
	}
	if err != nil {
		// What the template says may be a secret of the receiver's: only where it is wrong is shown.
		place := regexp.MustCompile(`^template: NOTIFY_BODY:\d+(:\d+)?`).FindString(err.Error())
		return nil, fmt.Errorf("is no template that can be filled (%s): it has json, urlquery, and %s",
			strings.Replace(strings.TrimPrefix(place, "template: NOTIFY_BODY:"), ":", ", column ", 1), names())
	}
	return t, nil
}

func names() string {
	return "." + strings.Join(slices.Sorted(maps.Keys(Message{}.values())), ", .")
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// body is what is sent, and of which type.
func (m Message) body(t *template.Template) (body []byte, contentType string, err error) {
	if t == nil {
		body, err = json.Marshal(m.values())
		return body, "application/json", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, m.values()); err != nil {
		return nil, "", errors.New("NOTIFY_BODY can't be filled")
	}
	return b.Bytes(), typeOf(b.Bytes()), nil
}

// typeOf tells JSON, a form and a text apart.
func typeOf(body []byte) string {
	switch {
	case json.Valid(body):
		return "application/json"
	case regexp.MustCompile(`^[\w.\[\]-]+=\S*$`).Match(body):
		return "application/x-www-form-urlencoded"
	}
	return "text/plain; charset=utf-8"
}
