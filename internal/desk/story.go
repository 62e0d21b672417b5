package desk

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Event is what happened to a delivery.
type Event struct {
	At   time.Time
	What string // on one line
}

// Happened is what is known of a delivery's attempts, in their order: the evidence for
// a decision.
func (d Delivery) Happened() []Event {
	if d.State == "" {
		return nil
	}
	var all []Event
	if d.Attempt > 1 && d.BegunAt != nil && d.BegunAt.After(d.FirstSentAt) {
		all = append(all, Event{d.FirstSentAt, "first sent"})
	}
	begun := Event{d.FirstSentAt, "sent"}
	if d.Attempt > 1 {
		begun.What = fmt.Sprintf("attempt %d sent", d.Attempt)
	}
	if d.BegunAt != nil {
		begun.At = *d.BegunAt
	}
	if d.State == billing.Retry && !d.Doubtful && d.HTTPStatus == 0 {
		begun.What = fmt.Sprintf("attempt %d begun", d.Attempt)
	}
	all = append(all, begun)
	seen := seenText(d.HTTPStatus, d.Error)
	came := func(what string) { all = append(all, Event{d.UpdatedAt, what}) }
	switch d.State {
	case billing.Sending:
		all = append(all, d.goneEvent()...)
	case billing.InDoubt:
		why, reply, replied := strings.Cut(d.Error, "; seen: ")
		switch {
		case replied:
			came(seenText(d.HTTPStatus, reply))
		case d.HTTPStatus > 0:
			came(seenText(d.HTTPStatus, ""))
		default:
			all = append(all, d.goneEvent()...)
		}
		came("in doubt: " + words.OneLine(cmp.Or(why, "it is not known whether the API acted")))
	case billing.Failed:
		came("refused: " + seen)
	case billing.Sent:
		what := "accepted"
		if d.Error != "" {
			what = "found sent: " + words.OneLine(d.Error)
		}
		came(what)
	case billing.Unmarked:
		came("accepted, but its row can't be marked: " + words.OneLine(d.Error))
	case billing.SubmittedState:
		came("taken by the API, which will say later what became of it")
	case billing.Retry, billing.Cancelled:
		came(seen)
	}
	return all
}

// goneEvent says that nobody waits for the reply any more.
func (d Delivery) goneEvent() []Event {
	runner := "its runner"
	if d.Application != "" {
		runner = "runner " + words.OneLine(strings.TrimPrefix(d.Application, "billonce/"))
	}
	switch {
	case d.RunGoneAt != nil:
		return []Event{{*d.RunGoneAt, "no reply was written down: " + runner + " was found to be killed or cut off"}}
	case d.RunEndedAt != nil && d.State == billing.Sending:
		return []Event{{*d.RunEndedAt, runner + " ended, and could not write down what the API said"}}
	}
	return nil
}

// Story is what happened, on one line.
func (d Delivery) Story() string { return story(d.Happened()) }

// story names the day and the zone where they are not those before.
func story(events []Event) string {
	const day = "2006-01-02 MST"
	var parts []string
	last := ""
	for _, e := range events {
		at := e.At.Format(time.TimeOnly)
		if e.At.Format(day) != last {
			at = e.At.Format("2006-01-02 15:04:05 MST")
		}
		last = e.At.Format(day)
		parts = append(parts, at+" "+e.What)
	}
	return strings.Join(parts, "; ")
}

// Decidable says from when on and by what it is decided what becomes of a delivery; empty
// where nothing is to be decided.
func (d Delivery) Decidable() string {
	switch d.State {
	case billing.InDoubt, billing.Retry:
		by := "by a person"
		if d.LooksUp && d.State == billing.InDoubt {
			by = "by the next run's look-up, or by a person"
		}
		if d.DecideIn <= 0 {
			return "can be decided now, " + by
		}
		return fmt.Sprintf("its request may still arrive: can be decided from %s on, %s", d.DecideAt.Format("15:04:05 MST"), by)
	case billing.Failed, billing.Sent:
		return "can be decided now, by a person"
	case billing.Unmarked:
		return "the next run marks it, once its row lets it"
	case billing.Sending, billing.SubmittedState, billing.Cancelled:
	}
	return ""
}

// Story is what happened to the invoice, on one line.
func (i OpenItem) Story() string {
	var events []Event
	if i.Delivery != nil {
		events = i.Delivery.Happened()
	}
	switch i.Kind {
	case billing.OpenPendingAgain:
		events = append(events, Event{i.Since, "found pending again"})
	case billing.OpenSetAside:
		events = append(events, Event{i.Since, "set aside: " + words.OneLine(i.Reason)})
	case billing.OpenInDoubt, billing.OpenUnmarked, billing.OpenFailed, billing.OpenRetry:
	}
	return story(events)
}

// Decidable says from when on and by what it is decided what becomes of the invoice.
func (i OpenItem) Decidable() string {
	switch {
	case i.Kind == billing.OpenSetAside:
		return "the next run sends it, once a request can be made of its row"
	case i.Delivery == nil:
		return ""
	}
	return i.Delivery.Decidable()
}
