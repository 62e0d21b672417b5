package reconcile

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/billonce/billonce/internal/words"
)

// shown is how many of each difference a terminal shows.
const shown = 5

// text says what a kind is, to people.
func (k Kind) text() string {
	switch k {
	case Agreed:
		return "agreed"
	case TheirsOnly:
		return "only in the list"
	case OursOnly:
		return "only in the ledger"
	case TwiceThere:
		return "twice in the list"
	case AmountsDiffer:
		return "amounts differ"
	case IDsDiffer:
		return "the API's ids differ"
	case Decides:
		return "in doubt, and the list has it"
	case Undecided:
		return "in doubt, and the list doesn't say"
	case DoubtAbsent:
		return "in doubt, and not in the list"
	case UnderWay:
		return "under way here"
	case Earlier:
		return "sent again since"
	case NotActed:
		return "not billed on either side"
	}
	return string(k)
}

// Print writes the report for people.
func (r Report) Print(out io.Writer) error {
	fmt.Fprintf(out, "Compared %s of %s (SHA-256 %s) with the ledger%s.\n\n", words.Plural(r.Lines, "line"), words.OneLine(r.File), r.SHA256[:min(12, len(r.SHA256))], r.span())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, kind := range append([]Kind{Agreed}, append(Differences(), UnderWay, Earlier)...) {
		f := r.Figures[kind]
		if f.Count == 0 && (kind == UnderWay || kind == Earlier || kind == IDsDiffer || kind == Undecided) {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", kind.text(), words.Count(f.Count), f.sums())
		for i, one := range r.Examples[kind] {
			if i == shown {
				fmt.Fprintf(w, "  …\t\tall of them: --csv\n")
				break
			}
			fmt.Fprintf(w, "  %s\t\t%s\n", words.OneLine(cut(one.Name())), one.text())
		}
	}
	return w.Flush()
}

func (r Report) span() string {
	var b strings.Builder
	if r.Since != nil {
		b.WriteString(" since " + words.Stamp(*r.Since))
	}
	if r.Until != nil {
		b.WriteString(" until " + words.Stamp(*r.Until))
	}
	return b.String()
}

// sums are in the list's amounts, or else in ours.
func (f Figure) sums() string {
	var parts []string
	for _, s := range f.Sums {
		text := cmp.Or(s.Theirs, s.Ours)
		value, ok := new(big.Rat).SetString(text)
		if !ok {
			continue
		}
		_, decimals, _ := strings.Cut(text, ".")
		parts = append(parts, strings.TrimSpace(words.Decimal(value, max(len(decimals), 2))+" "+words.OneLine(s.Currency)))
	}
	return strings.Join(parts, ", ")
}

// text says what is known about one of them.
func (f Found) text() string {
	var parts []string
	if f.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d", f.Line))
	}
	if f.Lines > 1 {
		parts = append(parts, fmt.Sprintf("%d lines", f.Lines))
	}
	if f.State != "" {
		parts = append(parts, f.State+" here")
	} else {
		parts = append(parts, "no delivery here")
	}
	if f.Status != "" {
		parts = append(parts, cut(f.Status)+" there")
	}
	money := func(amount, code, where string) {
		if amount != "" || code != "" {
			parts = append(parts, strings.Join(strings.Fields(amount+" "+code+" "+where), " "))
		}
	}
	switch f.Kind {
	case AmountsDiffer:
		money(f.OurAmount, f.OurCurrency, "here")
		money(f.Amount, f.Currency, "there")
	default:
		money(cmp.Or(f.Amount, f.OurAmount), cmp.Or(f.Currency, f.OurCurrency), "")
	}
	return words.OneLine(strings.Join(parts, ", "))
}

// jsonHead is what a report's JSON begins with.
type jsonHead struct {
	ID      string     `json:"reconciliation_id"`
	File    string     `json:"file"`
	SHA256  string     `json:"file_sha256"`
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Lines   int64      `json:"lines"`
	Decided *Tally     `json:"decided,omitempty"`
	Agreed  Figure     `json:"agreed"`
}

// JSON writes the report with all of its differences, each kind with its ids: one
// object, written as it is read, however many they are.
func (r Report) JSON(out io.Writer, each func(Kind, func(Found) error) error) error {
	head, err := json.Marshal(jsonHead{r.ID.String(), r.File, r.SHA256, r.Since, r.Until, r.Lines, r.Decided, r.Figures[Agreed]})
	if err != nil {
		return err
	}
	w := &firstError{out: out}
	w.write(string(head[:len(head)-1])) // without its closing brace
	for _, kind := range append(Differences(), UnderWay, Earlier) {
		f := r.Figures[kind]
		sums, err := json.Marshal(f.Sums)
		if err != nil {
			return err
		}
		if f.Sums == nil {
			sums = []byte("[]")
		}
		w.write(fmt.Sprintf(",\n%q:{\"count\":%d,\"sums\":%s,\"ids\":[", string(kind), f.Count, sums))
		for i, list := range []func(Found) any{func(f Found) any { return f.Name() }, func(f Found) any { return f }} {
			if i == 1 {
				w.write("],\n\"found\":[")
			}
			separator := ""
			err = each(kind, func(f Found) error {
				text, err := json.Marshal(list(f))
				if err != nil {
					return err
				}
				w.write(separator + string(text))
				separator = ","
				return w.err
			})
			if err != nil {
				return err
			}
		}
		w.write("]}")
	}
	w.write("}\n")
	return w.err
}

// CSV writes all differences. Where the list is complete, what is in doubt and not in
// it comes with a decision, for `batch resolve --from`; incomplete says why it isn't.
func (r Report) CSV(out io.Writer, incomplete string, each func(Kind, func(Found) error) error) error {
	w := csv.NewWriter(out)
	err := w.Write([]string{
		"kind", "invoice_id", "attempt", "decision", "reason", "state", "line", "lines", "their_id", "reply_id",
		"our_amount", "our_currency", "amount", "currency", "status", "at",
	})
	for _, kind := range Differences() {
		if err != nil {
			return err
		}
		err = each(kind, func(f Found) error {
			decision, reason, at := "", "", ""
			if kind == DoubtAbsent && incomplete == "" {
				decision, reason = "retry", r.reason("not in it")
			}
			if f.At != nil {
				at = words.Stamp(*f.At)
			}
			return w.Write([]string{
				string(kind), guarded(f.InvoiceID), number(int64(f.Attempt)), decision, guarded(reason), f.State,
				number(f.Line), number(f.Lines), guarded(f.TheirID), guarded(f.ReplyID), guarded(f.OurAmount), guarded(f.OurCurrency),
				guarded(f.Amount), guarded(f.Currency), guarded(f.Status), at,
			})
		})
	}
	w.Flush()
	return cmp.Or(err, w.Error())
}

// reason is why something was decided by a list.
func (r Report) reason(what string) string {
	return fmt.Sprintf("the provider's list %s, SHA-256 %s: %s", words.Squeeze(r.File), r.SHA256, what)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// guarded keeps a spreadsheet from reading a text as a formula.
func guarded(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t", rune(text[0])) {
		return "'" + text
	}
	return text
}

// firstError writes until something is wrong.
type firstError struct {
	out io.Writer
	err error
}

func (w *firstError) write(text string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.out, text)
	}
}
