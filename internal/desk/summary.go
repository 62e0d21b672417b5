package desk

import (
	"fmt"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// InWords is what a run came to, as a person would say it.
func InWords(s billing.Summary, code int) string {
	parts := []string{fmt.Sprintf("%s sent", words.Count(s.Sent))}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{s.Failed, "failed (the API refused them)"},
		{s.InDoubt, "in doubt"},
		{s.Submitted, "submitted (the API will say what became of them)"},
		{s.Retry, "to be tried again"},
		{s.HeldByOther, "held by others"},
		{s.Unmarked, "accepted, and not marked yet"},
		{s.Recovered, "recovered from a runner that died"},
		{int64(s.EarlierCancelled), "cancelled by a person"},
		{int64(s.AlreadySent), "pending again though sent: not sent twice"},
		{s.InvoiceGone, "deleted or taken back while being sent"},
		{s.Unrendered, "whose requests can't be built"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", words.Count(p.n), p.what))
		}
	}
	if s.Open > 0 {
		parts = append(parts, fmt.Sprintf("%s open altogether", words.Count(s.Open)))
	}
	text := fmt.Sprintf("%s: %s in %s", howItEnded(s, code), strings.Join(parts, ", "), s.Elapsed.Round(time.Millisecond))
	if rate := float64(s.Sent) / max(s.Elapsed.Seconds(), 0.001); rate >= 1 {
		text += fmt.Sprintf(" (%s a second)", words.Count(int64(rate)))
	}
	if p := s.LowestPace; p != nil {
		text += fmt.Sprintf("; at the slowest %s (%s)", paceText(*p), words.OneLine(p.Why))
	}
	return text
}

func paceText(p billing.LowestPace) string {
	text := fmt.Sprintf("%d at once", p.AtOnce)
	if p.PerSecond > 0 {
		text = words.Rate(p.PerSecond) + " requests a second, " + text
	}
	return text
}

func howItEnded(s billing.Summary, code int) string {
	switch {
	case s.Stopped == billing.StoppedByLimit:
		return "RUN_LIMIT reached"
	case s.Stopped == billing.StoppedByCanary:
		return "stopped: none of the invoices that were sent first was accepted, and the rest was not sent"
	case s.Stopped == billing.StoppedByThrottle && s.NotBefore != nil:
		return fmt.Sprintf("stopped early: the billing API takes no more requests before %s, and the next run goes on from then", words.Stamp(*s.NotBefore))
	case s.Stopped == billing.StoppedByFailover:
		return "refused: the database was failed over, and may have forgotten what was sent (see `batch status`)"
	case s.Stopped == billing.StoppedByPause:
		return "stopped: the book was paused (see `batch status`)"
	case s.Stopped != "":
		return fmt.Sprintf("stopped early (%s), the next run goes on", s.Stopped.InWords())
	case code == billing.ExitStopped:
		return "done for now, the next run goes on"
	case code == billing.ExitPerson:
		return "done, and a person is needed (see `batch status --open`)"
	}
	return "done"
}
