package reconcile

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/words"
)

// examples is how many of each kind are told and kept.
const examples = 20

// Compare joins the list that was read with the ledger, and keeps what it came to.
func (r *Reconciliation) Compare(ctx context.Context) (Report, error) {
	rep := Report{
		ID: r.id, File: r.File, SHA256: hex.EncodeToString(r.sha), Since: r.Since, Until: r.Until,
		Lines: r.lines, Figures: map[Kind]Figure{}, Examples: map[Kind][]Found{},
	}
	var flags []string
	for flag, f := range map[string]Field{"id": FieldID, "key": FieldKey, "reply_id": FieldReplyID} {
		if r.found.has(f) {
			flags = append(flags, flag)
		}
	}
	if r.found.has(FieldID) && len(flags) == 1 {
		flags = append(flags, "only_id")
	}
	if err := r.exec(ctx, "reconcile_pairs", flags, r.Since, r.Until); err != nil {
		return rep, err
	}
	var kind Kind
	var s Sum
	var ours, theirs *string
	var within, foreign int64
	err := r.each(ctx, "reconcile_figures", func(row pgx.CollectableRow) error {
		s = Sum{}
		if err := row.Scan(&kind, &s.Currency, &s.Count, &ours, &theirs, &within, &foreign); err != nil {
			return err
		}
		f := rep.Figures[kind]
		f.Count, f.within, f.foreign = f.Count+s.Count, f.within+within, f.foreign+foreign
		if ours != nil {
			s.Ours = *ours
		}
		if theirs != nil {
			s.Theirs = *theirs
		}
		f.Sums = append(f.Sums, s)
		rep.Figures[kind] = f
		return nil
	})
	if err != nil {
		return rep, err
	}
	for kind := range rep.Figures {
		if kind == Agreed || kind == NotActed {
			continue
		}
		err := r.Each(ctx, kind, examples, func(f Found) error {
			rep.Examples[kind] = append(rep.Examples[kind], f)
			return nil
		})
		if err != nil {
			return rep, err
		}
	}
	return rep, r.keep(ctx, rep, "")
}

// Each calls f for what was found of a kind, in the order of our keys; limit 0: all.
func (r *Reconciliation) Each(ctx context.Context, kind Kind, limit int, f func(Found) error) error {
	var most *int
	if limit > 0 {
		most = &limit
	}
	return r.each(ctx, "reconcile_found", func(row pgx.CollectableRow) error {
		var one Found
		err := row.Scan(&one.Kind, &one.InvoiceID, &one.TheirID, &one.Line, &one.Lines, &one.State, &one.Attempt,
			&one.OurAmount, &one.OurCurrency, &one.Amount, &one.Currency, &one.Status, &one.ReplyID, &one.Key, &one.At)
		if err != nil {
			return fmt.Errorf("read what was found: %w", err)
		}
		return f(one)
	}, string(kind), most)
}

// kept is what stands in the ledger of a reconciliation, beside its own columns.
type kept struct {
	Lines    int64            `json:"lines"`
	Agreed   int64            `json:"agreed"`
	Differ   int64            `json:"differ"`
	Figures  map[Kind]Figure  `json:"kinds"`
	Examples map[Kind][]Found `json:"examples"`
	Decided  *Tally           `json:"decided,omitempty"`
}

// Tally is what became of what a list could decide.
type Tally struct {
	Done int64 `json:"done"`
	Left int64 `json:"left"` // as they were
}

func (r *Reconciliation) keep(ctx context.Context, rep Report, decided string) error {
	figures, err := json.Marshal(kept{rep.Lines, rep.Count(Agreed), rep.Count(Differences()...), rep.Figures, rep.Examples, rep.Decided})
	if err != nil {
		return err
	}
	var how *string
	if decided != "" {
		how = &decided
	}
	return r.exec(ctx, "reconcile_keep", nil, r.id, words.Storable(r.By), words.Storable(r.File), r.sha, r.Since, r.Until, how, string(figures))
}

// Before says when, and by whom, the same file was last reconciled; nobody: it was not.
func (r *Reconciliation) Before(ctx context.Context) (at time.Time, by string, err error) {
	err = r.each(ctx, "reconcile_before", func(row pgx.CollectableRow) error { return row.Scan(&at, &by) }, r.sha, r.id)
	return at, by, err
}

// Incomplete says why what is in doubt and not in the list stays in doubt; empty: the
// list has all that was sent between since and until, so that what it has not was not
// sent. Even that is for a person to decide.
func (r *Reconciliation) Incomplete(rep Report) string {
	switch {
	case r.Since == nil || r.Until == nil:
		return "say with --since and --until which time the list covers as a whole"
	case time.Now().Before(*r.Until):
		return "--until is in the future: the list can't cover that"
	case rep.Count(OursOnly) > 0:
		return fmt.Sprintf("the list has not all that was sent in that time: %s missing", words.Plural(rep.Count(OursOnly), "invoice"))
	case rep.Figures[Agreed].within == 0:
		return "the list has nothing that was sent in that time"
	case slices.Contains(cutOffAt(), rep.Lines%10_000), slices.Contains(cutOffAt(), rep.Lines):
		return fmt.Sprintf("exports break off at such numbers: it has %s lines; export shorter times", words.Count(rep.Lines))
	case r.blank > 0 || rep.Figures[TheirsOnly].foreign > 0:
		return "lines of the list name none of our keys, and may be what is in doubt"
	case r.names.KeyType == "text" && rep.Count(TheirsOnly, TwiceThere) > 0:
		return "the list has ids that the ledger has not: they may have been changed on their way"
	}
	return ""
}

// cutOffAt are numbers of lines at which exports break off: ten thousands, and what a
// spreadsheet holds below its header.
func cutOffAt() []int64 { return []int64{0, 1<<16 - 1, 1<<20 - 1} }
