package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
)

// openKind is an open state that a person decides about.
type openKind struct {
	state   billing.State
	word    string // in flags
	text    string // in sentences
	none    string // said where there are none
	choices string // how it can be resolved
}

func inDoubtKind() openKind {
	return openKind{billing.InDoubt, "in-doubt", "in doubt", "No delivery is in doubt.", "--sent|--retry|--cancel"}
}

func failedKind() openKind {
	return openKind{billing.Failed, "failed", "failed", "No delivery has failed.", "--retry|--cancel"}
}

// print lists the evidence, oldest first, and how each is resolved.
func (k openKind) print(out io.Writer, deliveries []pgstore.Delivery, withCommand bool) error {
	var b strings.Builder
	for _, d := range deliveries {
		fmt.Fprintf(&b, "%s: %s for %s\n", d.InvoiceID, k.text, d.Age.Truncate(time.Second))
		fmt.Fprintf(&b, "  attempt %d, first sent %s, key %s\n", d.Attempt, stamp(d.FirstSentAt), d.Key)
		fmt.Fprintf(&b, "  seen: %s\n", seenText(d.HTTPStatus, d.Error))
		fmt.Fprintf(&b, "  body's SHA-256 %s\n", d.BodySHA256)
		fmt.Fprintf(&b, "  run %s (%s)\n", d.RunID, d.Application)
		if !withCommand {
			continue
		}
		if d.DeadlineIn > 0 && k.state == billing.InDoubt {
			fmt.Fprintf(&b, "  its request may still be on its way: look from %s on, then\n", stamp(d.DeadlineAt))
		}
		fmt.Fprintf(&b, "  batch resolve --attempt %d %s --reason '…' -- %s\n", d.Attempt, k.choices, shellWord(string(d.InvoiceID)))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// stamp writes a time of the database's for people.
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// oneLine keeps what people and APIs wrote from breaking a page's lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func seenText(status int, text string) string {
	text = oneLine(text)
	switch {
	case status == 0 && text == "":
		return "no reply"
	case status == 0:
		return text
	case text == "":
		return fmt.Sprintf("HTTP %d", status)
	case strings.Contains(text, fmt.Sprintf("HTTP %d", status)):
		return text
	}
	return fmt.Sprintf("HTTP %d, %s", status, text)
}

// shellWord quotes an id for a shell, where it needs that.
func shellWord(id string) string {
	plain := !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.:/@", r))
	})
	if plain && id != "" {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
