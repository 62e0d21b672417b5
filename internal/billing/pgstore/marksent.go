package pgstore

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
)

// errPlaceholderQuoted: PostgreSQL found fewer parameters than there are placeholders.
var errPlaceholderQuoted = errors.New("a {reply.…} placeholder stands inside of quotes or of a comment; write it bare: column = {reply.id}")

// checkPlaceholders says whether each placeholder became a parameter: one that
// stands inside of quotes would be written down as text.
func checkPlaceholders(m book.MarkSent, statement *pgconn.StatementDescription, err error) error {
	switch {
	case pgerr.Is(err, pgerrcode.IndeterminateDatatype) && len(m.Paths) > 0, // a parameter that is not used, before one that is
		err == nil && len(statement.ParamOIDs) != len(m.Paths)+1:
		return errPlaceholderQuoted
	}
	return err
}

// markArgs are the parameters of the statement mark.
func (s *Store) markArgs(sent []*billing.Settlement) []any {
	args := []any{keys(invoiceIDs(sent))}
	for n := range s.place.book.MarkSent.Paths {
		said := make(map[billing.InvoiceID]string, len(sent))
		for _, g := range sent {
			if v := answerOf(g, n); v != nil {
				said[g.InvoiceID] = words.Storable(*v)
			}
		}
		text, err := json.Marshal(said)
		if err != nil { // a map of text: it can't be
			text = []byte("{}")
		}
		args = append(args, string(text))
	}
	return args
}

func invoiceIDs(group []*billing.Settlement) []billing.InvoiceID {
	ids := make([]billing.InvoiceID, len(group))
	for i, g := range group {
		ids[i] = g.InvoiceID
	}
	return ids
}

// errStaysPending says that the database takes INVOICES_MARK_SENT, and the invoice is
// pending all the same.
var errStaysPending = errors.New("it takes the change, and the invoice stays pending: a trigger, a rule or a policy drops it, or INVOICES_MARK_SENT does not change what INVOICES_PENDING asks for")

// staysPending reads stays_pending.sql.
func staysPending(rows pgx.Rows) error {
	for rows.Next() {
	}
	if said := pgerr.From(rows.Err()); said != nil && said.Code == pgerrcode.InvalidTextRepresentation && strings.Contains(said.Message, " stays pending") {
		return errStaysPending
	}
	return rows.Err()
}

func answerOf(s *billing.Settlement, n int) *string {
	if s.Answer == nil || n >= len(s.Answer.Values) {
		return nil
	}
	return s.Answer.Values[n]
}

// namedAtMost bounds the ids that one warning names.
const namedAtMost = 20

// warnUnanswered tells where a placeholder became null. The money has moved: that
// is no reason to leave an invoice unmarked.
func (s *Store) warnUnanswered(group []billing.Settlement, came []billing.Settled) {
	for n, path := range s.place.book.MarkSent.Paths {
		count, named := 0, []string(nil)
		for i, g := range group {
			if g.State != billing.Sent || came[i] != billing.SettledFully || answerOf(&group[i], n) != nil {
				continue
			}
			if count++; count <= namedAtMost {
				named = append(named, string(g.InvoiceID))
			}
		}
		if count > 0 {
			s.cfg.Log.Warn().Int("invoices", count).Strs("invoice_ids", named).
				Msgf("marked sent with null for {reply.%s}: the reply did not say it", path)
		}
	}
}
