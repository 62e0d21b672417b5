package desk

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Print writes the operator's page: what is to do, what is under way, what
// needs a person, what was done, and who holds the locks.
func (st Status) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if p := st.Paused; p != nil {
		fmt.Fprintf(out, "PAUSED by %s since %s: %s\n`batch resume` ends it.\n\n", words.OneLine(p.By), words.Stamp(p.At), words.OneLine(p.Reason))
	}
	if t := st.NotBefore; t != nil && (st.Pending > 0 || st.PendingUnknown) {
		fmt.Fprintf(out, "THROTTLED: the billing API takes no more requests before %s (%s).\nThe first run from then on sends the rest. One before it asks with one request.\n\n", words.Stamp(*t), dueText(t.Sub(st.At)))
	}
	if a := st.Accepted; a != nil && !st.Identity.Same(*a, false) {
		fmt.Fprintf(out, "NOT TRUSTED: %s. `batch doctor` says what follows.\n\n", st.Identity.Since(*a))
	}
	printDeliveries(w, st)
	for _, f := range st.Failed {
		fmt.Fprintf(w, "\t\t%s × %s (invoice %s)\n", words.Count(f.Count), seenText(f.HTTPStatus, f.Error), f.Example)
	}
	if o := st.Open; o != nil {
		fmt.Fprintf(w, "Open\twaits for you\t%s\n", openText(*o))
	}
	if st.Identity != (billing.Identity{}) {
		fmt.Fprintf(w, "Database\tidentity\t%s\n", st.Identity)
	}
	if st.Trusted != nil {
		fmt.Fprintf(w, "\ttrusted\t%s\n", st.Trusted.text())
	}
	title := "Held back"
	for _, h := range st.HeldBack {
		fmt.Fprintf(w, "%s\t%s\t%s by invoice %s, %s\n", title, words.OneLine(h.Value), words.Count(h.Count), h.InvoiceID, h.State)
		title = ""
	}
	fmt.Fprintf(w, "Locks\tinvoices\t%s\n", words.Count(st.InvoiceLocks))
	fmt.Fprintf(w, "\trun lock %q\tkey %s\n", st.RunLock.Name, st.RunLock.Key)
	for _, h := range st.RunLock.Holders {
		fmt.Fprintf(w, "\t\theld by %s, %s\n", h, h.Mode)
	}
	if len(st.RunLock.Holders) == 0 {
		fmt.Fprintf(w, "\t\theld by nobody\n")
	}
	fmt.Fprintf(w, "\tBILLING_RATE\tkey %s\n", st.Rate.Key)
	for _, h := range st.Rate.Holders {
		fmt.Fprintf(w, "\t\tshared by %s\n", h)
	}
	title = "Runs"
	for _, r := range st.Runs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", title, words.Stamp(r.StartedAt), runLine(r, st.At))
		title = ""
		if len(r.Changed) > 0 {
			fmt.Fprintf(w, "\t\tunlike the run before: %s\n", strings.Join(r.Changed, ", "))
		}
	}
	if st.Reconciled != nil {
		fmt.Fprintf(w, "Reconciled\t%s\t%s\n", words.Stamp(st.Reconciled.At), st.Reconciled.text())
	}
	return w.Flush()
}

func printDeliveries(w io.Writer, st Status) {
	d := st.Deliveries
	fmt.Fprintf(w, "Invoices\tpending\t%s\n", st.PendingText())
	fmt.Fprintf(w, "Deliveries\tsending\t%s\n", sendingText(st))
	retry := words.Count(d[billing.Retry])
	if st.RetryDueAt != nil {
		retry += "  next due " + dueText(st.RetryDueIn)
	}
	if st.Throttled > 0 {
		retry += fmt.Sprintf("  throttled: the API asked for a slower pace (%s)", words.Count(st.Throttled))
	}
	fmt.Fprintf(w, "\tretry\t%s\n", retry)
	if n := d[billing.SubmittedState]; n > 0 {
		text := words.Count(n)
		if st.SubmittedSince != nil {
			text += "  the oldest since " + words.Stamp(*st.SubmittedSince)
		}
		if st.SubmittedDueAt != nil {
			text += ", looked up next " + dueText(st.SubmittedDueIn)
		}
		fmt.Fprintf(w, "\tsubmitted\t%s\n", text)
	}
	if n := d[billing.Unmarked]; n > 0 {
		fmt.Fprintf(w, "\tunmarked\t%s  the API accepted them: see `batch status --open`\n", words.Count(n))
	}
	doubt := words.Count(d[billing.InDoubt])
	if st.InDoubtSince != nil {
		doubt += fmt.Sprintf("  the oldest for %s: see `batch status --in-doubt`", st.InDoubtFor.Truncate(time.Second))
	}
	fmt.Fprintf(w, "\tin_doubt\t%s\n", doubt)
	fmt.Fprintf(w, "\tcancelled\t%s\n", words.Count(d[billing.Cancelled]))
	sent, known := d[billing.Sent]
	switch {
	case !known:
		fmt.Fprintf(w, "\tsent\tnot known: the ledger is large and was never analyzed; run ANALYZE\n")
	case st.Estimated:
		fmt.Fprintf(w, "\tsent\tabout %s, %s of them by the runs that ended today (%s)\n", words.Count(sent), words.Count(st.SentToday), st.TimeZone)
	default:
		fmt.Fprintf(w, "\tsent\t%s  today %s (%s)\n", words.Count(sent), words.Count(st.SentToday), st.TimeZone)
	}
	failed := words.Count(d[billing.Failed])
	if d[billing.Failed] > 0 {
		failed += "  see `batch status --failed`"
	}
	fmt.Fprintf(w, "\tfailed\t%s\n", failed)
}

// PendingText says how many invoices are pending, where that is known.
func (st Status) PendingText() string {
	if st.PendingUnknown {
		return "not known: INVOICES_PENDING fails on a row, or takes too long; a run sends the others, and names it"
	}
	return words.Count(st.Pending)
}

func sendingText(st Status) string {
	text := words.Count(st.Deliveries[billing.Sending])
	if st.Sending.AtLeast {
		text = "at least " + text
	}
	var parts []string
	for _, a := range st.Sending.Alive {
		parts = append(parts, fmt.Sprintf("%s by %s since %s", words.Count(a.Count), a.Application, words.Stamp(a.Since)))
	}
	if n := st.Sending.Orphaned; n > 0 {
		parts = append(parts, fmt.Sprintf("%s orphaned: nobody holds their locks, a run takes them over", words.Count(n)))
	}
	if len(parts) > 0 {
		text += "  " + strings.Join(parts, "; ")
	}
	return text
}

func openText(o OpenCount) string {
	text := words.Count(o.Count) + "  counted " + words.Stamp(o.At)
	if o.Decided > 0 {
		text += fmt.Sprintf(", %s decided since", words.Count(o.Decided))
	}
	if o.Count > 0 {
		text += ": see `batch status --open`"
	}
	return text
}

func dueText(in time.Duration) string {
	if in <= 0 {
		return "now"
	}
	return "in " + in.Round(time.Second).String()
}

func runLine(r Run, now time.Time) string {
	line := fmt.Sprintf("%s, %s, %s", r.Application, r.Strategy, r.RunLock)
	switch {
	case r.Alive:
		return fmt.Sprintf("%s: running for %s", line, now.Sub(r.StartedAt).Truncate(time.Second))
	case r.FinishedAt == nil || r.ExitCode == nil:
		return line + ": killed, or cut off"
	}
	took := r.FinishedAt.Sub(r.StartedAt)
	line += fmt.Sprintf(": exit %d", *r.ExitCode)
	s := r.Summary
	if s != nil && s.Stopped != "" {
		line += fmt.Sprintf(" (%s)", s.Stopped.InWords())
	}
	line += fmt.Sprintf(" after %s", took.Round(time.Millisecond))
	if s != nil {
		line += fmt.Sprintf("; %s sent, %s failed, %s in doubt, %s to be tried again",
			words.Count(s.Sent), words.Count(s.Failed), words.Count(s.InDoubt), words.Count(s.Retry))
		if rate := s.Sent * 1000 / max(s.ElapsedMS, 1); rate > 0 {
			line += fmt.Sprintf(" (%s a second)", words.Count(rate))
		}
	}
	return line
}
