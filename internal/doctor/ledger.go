package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/words"
)

// examineLedger has PostgreSQL look at everything that a run would ask of it.
func examineLedger(ctx context.Context, e *exam) (Finding, error) {
	seen, err := e.examine(ctx)
	if err != nil {
		return Finding{}, err
	}
	return ok("%s; INVOICES_PENDING and INVOICES_MARK_SENT are understood", seen), nil
}

// examined is what became of examining the book.
type examined struct {
	book pgstore.Examined
	err  error
}

// examine looks at the book once, whatever comes of it.
func (e *exam) examine(ctx context.Context) (pgstore.Examined, error) {
	if e.examined == nil {
		b, err := pgstore.Examine(ctx, e.main[0], e.Book, e.Row, e.Columns, e.Mentions)
		e.examined = &examined{b, err}
		if place := b.Place(); err == nil {
			e.place = &place
		}
	}
	return e.examined.book, e.examined.err
}

// locate finds the invoices, where something else than they does not fit.
func (e *exam) locate(ctx context.Context) (pgstore.Place, error) {
	if e.place == nil {
		place, err := pgstore.Locate(ctx, e.main[0], e.Book)
		if err != nil {
			return place, err
		}
		e.place = &place
	}
	return *e.place, nil
}

// UniqueRemedy is what to do where no unique index covers the key, with the command that
// makes one.
func UniqueRemedy(b book.Book) string {
	return "If the key alone doesn't tell the invoices apart (a number for each tenant, an id that comes back each month), make a view whose key holds all that does, and name it in INVOICES_TABLE. " +
		"If it does, create a unique index on it:\n" + verbatim + fmt.Sprintf("create unique index concurrently on %s (%s);", b.Invoices.SQL(), b.ID.SQL())
}

// NotUnique says that no unique index covers the key, and what comes of that.
func NotUnique(key string) string {
	return "no unique index covers INVOICES_ID (" + key + "): of two invoices with one key only one is sent"
}

func examineKey(ctx context.Context, e *exam) (Finding, error) {
	place, err := e.locate(ctx)
	if err != nil {
		return Finding{}, err
	}
	unique, known := place.Unique()
	switch {
	case !known:
		return ok("INVOICES_TABLE is a view: a run looks for invoices that share a key as it starts; and what the view makes into text of a time " +
			"must name the zone (at time zone 'UTC'), or another setting of the role makes another request of the same invoice"), nil
	case !unique:
		if _, err := e.examine(ctx); errors.Is(err, pgstore.ErrNotUnique) {
			return Finding{}, err
		}
		return warning(UniqueRemedy(e.Book), "%s", NotUnique(e.Book.ID.SQL())), nil
	}
	return ok("a unique index covers INVOICES_ID"), nil
}

func examineRights(ctx context.Context, e *exam) (Finding, error) {
	place, err := e.locate(ctx)
	if err != nil {
		return Finding{}, err
	}
	missing, err := place.MissingRights(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	role := e.main[0].Config().User
	if len(missing) > 0 {
		f := refused(e.grantRemedy(), "role %s lacks: %s", role, firstOf(missing))
		f.cause = lacksRights
		return f, nil
	}
	return ok("role %s may do what a run needs", role), nil
}

func examineRowSecurity(ctx context.Context, e *exam) (Finding, error) {
	place, err := e.locate(ctx)
	if err != nil {
		return Finding{}, err
	}
	active, err := place.RowSecurity(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	if active {
		return warning("Give the role a policy that shows and lets change every invoice (using (true)), or none of them is ever missed",
			"row security hides from this role what no policy shows it: such invoices are not sent, or sent and not marked"), nil
	}
	return ok("none on the invoices, for this role"), nil
}

// examineMark marks an invoice sent and takes that back: what refuses it then
// would do so when the API has acted.
func examineMark(ctx context.Context, e *exam) (Finding, error) {
	const (
		accepted = "Look at INVOICES_MARK_SENT and at what refuses it: the API has acted by the time that a run gets there"
		swallows = "Look for a trigger, a rule or a policy that drops the change: a run would bill such an invoice, and could not mark it"
		hurry    = "Look for a trigger that waits or does much, or a key without an index: a run marks hundreds of invoices in one statement"
		agree    = "Let INVOICES_MARK_SENT change what INVOICES_PENDING asks for: else every run meets again all that was ever sent"
	)
	seen, err := e.examine(ctx)
	if err != nil {
		return Finding{}, err
	}
	t, err := seen.TryMark(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	switch t.Fate {
	case pgstore.Marked:
		return ok("invoice %s was marked sent, was no longer pending, and all of that was rolled back", t.InvoiceID), nil
	case pgstore.StillPending:
		return warning(agree, "invoice %s is still pending after INVOICES_MARK_SENT (rolled back)", t.InvoiceID), nil
	case pgstore.Unchanged:
		return warning(swallows, "the database takes INVOICES_MARK_SENT for invoice %s, and marks nothing", t.InvoiceID), nil
	case pgstore.TooSlow:
		return warning(hurry, "to mark invoice %s sent took longer than %s, and was given up", t.InvoiceID, pgstore.TrialTimeout), nil
	case pgstore.Refused:
		return refused(accepted, "the database refuses to mark invoice %s sent: %v", t.InvoiceID, t.Refusal), nil
	case pgstore.NeedsReply:
		return ok("not tried: it depends on what the API replies (%v)", t.Refusal), nil
	case pgstore.Untried:
	}
	if t.InvoiceID != "" {
		return ok("not tried: somebody else is at work on invoice %s", t.InvoiceID), nil
	}
	return ok("not tried: no invoice is pending"), nil
}

func examineIndex(ctx context.Context, e *exam) (Finding, error) {
	place, err := e.locate(ctx)
	if err != nil {
		return Finding{}, err
	}
	index, err := place.PendingIndex(ctx, e.main[0])
	switch {
	case err != nil:
		return Finding{}, err
	case index.Name == "" && !index.Small:
		return warning(index.Create, "no index serves the pending invoices: each page of a scan reads the table"), nil
	case place.OnePer():
		return examineValuesIndex(ctx, e, place)
	case index.Small:
		return ok("none serves the pending invoices; the table is small"), nil
	}
	return ok("%s serves the pending invoices", index.Name), nil
}

func examineValuesIndex(ctx context.Context, e *exam, place pgstore.Place) (Finding, error) {
	index, err := place.ValuesIndex(ctx, e.main[0])
	switch {
	case err != nil:
		return Finding{}, err
	case index.Name != "":
		return ok("%s finds the invoices of one value of INVOICES_ONE_PER", index.Name), nil
	case index.Small:
		return ok("none finds the invoices of one value of INVOICES_ONE_PER; the table is small"), nil
	}
	return warning(index.Create, "no index finds the invoices of one value of INVOICES_ONE_PER: each request costs a look through all that are pending"), nil
}

func (e *exam) readStatus(ctx context.Context) (desk.Status, error) {
	if e.status == nil {
		st, err := pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{Conn: e.Main, Book: pgstore.DeskBook{Book: e.Book}, Namespace: e.Book.Namespace})
		if err != nil {
			return st, err
		}
		e.status = &st
	}
	return *e.status, nil
}

func examinePause(ctx context.Context, e *exam) (Finding, error) {
	st, err := e.readStatus(ctx)
	if err != nil {
		return Finding{}, err
	}
	if p := st.Paused; p != nil {
		return warning("Once that is over: `batch resume`", "%s has paused this book since %s: %s", words.OneLine(p.By), words.Stamp(p.At), words.OneLine(p.Reason)), nil
	}
	return ok("the book is not paused"), nil
}

func examineBacklog(ctx context.Context, e *exam) (Finding, error) {
	st, err := e.readStatus(ctx)
	if err != nil {
		return Finding{}, err
	}
	pending := "an unknown number"
	if !st.PendingUnknown {
		pending = words.Count(st.Pending)
	}
	seen := fmt.Sprintf("%s pending, %s to be tried again, %s failed, %s in doubt", pending,
		words.Count(st.Deliveries[billing.Retry]), words.Count(st.Deliveries[billing.Failed]), words.Count(st.Deliveries[billing.InDoubt]))
	if st.PendingUnknown {
		return warning("A run sends the others, and names the row: mend it, or take it out of INVOICES_PENDING", "%s: INVOICES_PENDING fails on a row, or takes too long", seen), nil
	}
	if st.Deliveries[billing.Failed]+st.Deliveries[billing.InDoubt] > 0 {
		return warning("A person decides about them: `batch status`, `batch resolve`", "%s", seen), nil
	}
	return ok("%s", seen), nil
}

// examineUnderWay looks at what is `sending`: by whom, and since when.
func examineUnderWay(ctx context.Context, e *exam) (Finding, error) {
	st, err := e.readStatus(ctx)
	if err != nil {
		return Finding{}, err
	}
	alive := 0
	oldest := time.Time{}
	for _, a := range st.Sending.Alive {
		alive += a.Count
		if oldest.IsZero() || a.Since.Before(oldest) {
			oldest = a.Since
		}
	}
	var parts []string
	if alive > 0 {
		parts = append(parts, fmt.Sprintf("%s by runners that are at work, the oldest for %s", words.Count(alive), st.At.Sub(oldest).Round(time.Second)))
	}
	if n := st.Sending.Orphaned; n > 0 {
		parts = append(parts, words.Count(n)+" by runners that are gone")
		return warning("Start a run: it takes them over", "%s", strings.Join(parts, "; ")), nil
	}
	return ok("%s", cmp.Or(strings.Join(parts, "; "), "nothing")), nil
}
