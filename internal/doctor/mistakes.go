package doctor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/words"
)

// Causes that spoil several checks, beside those that have a text of their own.
const (
	lacksRights         = "rights"
	namesWhatIsNotThere = "names"
)

// onePerMistake reports each mistake once: by the check that lists the rights where they
// are missing, else by the first that it spoils. The others are named there.
func onePerMistake(r Report) Report {
	misfit := slices.IndexFunc(r, func(f Finding) bool { return f.cause != "" && f.cause != lacksRights && f.cause != namesWhatIsNotThere })
	told := map[string]int{}
	for i := range r {
		if r[i].cause == namesWhatIsNotThere && misfit >= 0 {
			r[i].cause = r[misfit].cause
		}
		if _, known := told[r[i].cause]; !known || r[i].Check == "rights" && r[i].cause == lacksRights {
			told[r[i].cause] = i
		}
	}
	var kept Report
	for i, f := range r {
		if f.cause != "" && told[f.cause] != i {
			continue
		}
		var spoiled []string
		for j, other := range r {
			if f.cause != "" && other.cause == f.cause && j != i {
				spoiled = append(spoiled, other.Check)
			}
		}
		if spoiled != nil {
			f.Seen += "\nNot examined because of it: " + strings.Join(spoiled, ", ")
		}
		kept = append(kept, f)
	}
	return kept
}

// misfitRemedy is what to do about settings and a database that don't fit each other.
func (e *exam) misfitRemedy(err error) string {
	var schema *pgstore.SchemaError
	var fragment *pgstore.UserSQLError
	switch {
	case errors.As(err, &schema) && schema.Have > schema.Want:
		return "Run the newer program"
	case errors.As(err, &schema):
		return "As the owner of the ledger, run:\n" + verbatim + "batch migrate"
	case errors.As(err, &fragment):
		return "Correct " + fragment.Variable + " (`batch help environment`)"
	case errors.Is(err, pgstore.ErrNotUnique):
		return "See which they are:\n" + verbatim + fmt.Sprintf("select %[1]s, count(*) from %[2]s where (%[3]s) group by 1 having count(*) > 1 or %[1]s is null;",
			e.Book.ID.SQL(), e.Book.Invoices.SQL(), words.Squeeze(e.Book.Pending))
	case errors.Is(err, pgstore.ErrNoInvoices):
		return "Correct INVOICES_TABLE and INVOICES_ID (`batch help environment`), or DATABASE_URL"
	}
	return "Correct what it names (`batch help environment`)"
}

func (e *exam) grantRemedy() string {
	return "As the owner of the tables, run:\n" + verbatim + GrantCommand(e.main[0].Config().User)
}

// GrantCommand gives a role the rights that a run needs.
func GrantCommand(role string) string {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]*$`).MatchString(role) {
		role = book.Name{role}.SQL()
	}
	return "batch migrate --role " + words.ShellWord(role)
}

// firstOf are the first few of many, and how many there are more.
func firstOf(all []string) string {
	const shown = 4
	if len(all) <= shown+1 {
		return strings.Join(all, "; ")
	}
	return strings.Join(all[:shown], "; ") + "; and " + words.Count(len(all)-shown) + " more"
}
