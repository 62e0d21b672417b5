// Package sql holds every statement that Billonce runs: migrations/ for the
// ledger's schema, queries/ with one statement a file. Each file says why it
// has its shape, which locks it takes and who else may hold them.
package sql

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"text/template"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed queries/*.sql
var queries embed.FS

// Migrations returns the numbered migrations, for tern.
func Migrations() (fs.FS, error) {
	return fs.Sub(migrations, "migrations")
}

// SchemaVersion is the version that the migrations lead to: their number.
func SchemaVersion() (int32, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	return int32(len(files)), err
}

// Names fills the places in the statements that can't be parameters. All but
// Pending and MarkSent are quoted identifiers; those two are the user's own
// SQL, which the runner checks by PREPARE before it does anything.
type Names struct {
	Schema   string   // the ledger's schema
	Invoices string   // the user's table
	ID       string   // its key
	KeyType  string   // the key's type in the ledger: bigint, integer, uuid or text
	IDType   string   // the type that a value has to have to be looked for in the user's index; empty: KeyType
	OnePer   string   // INVOICES_ONE_PER, a column; empty: none
	Pending  string   // predicate
	MarkSent string   // assignments
	Amount   string   // the column of what is billed; empty: not wanted
	Currency string   // the column of its currency; empty: not wanted
	Columns  []string // columns that the request's templates name
	Row      bool     // the whole row as JSON is wanted
	Only     bool     // the scan is of given ids alone
}

// InLedger is an expression of the user's key as the ledger's index takes it: another type
// is cast, and a text has the ledger's collation, not its own column's.
func (n Names) InLedger(expression string) string {
	if n.KeyType == "text" {
		return expression + `::text collate "default"`
	}
	return expression
}

// onPrimary keeps pgpool-II from having a standby answer, see advisory.OnPrimary.
const onPrimary = "/*NO LOAD BALANCE*/ "

// Query returns the text of queries/<name>.sql. Variants of one statement are
// chosen by the flags, as the file's header explains.
func Query(name string, n Names, flags ...string) (string, error) {
	text, err := queries.ReadFile("queries/" + name + ".sql")
	if err != nil {
		return "", fmt.Errorf("read query %s: %w", name, err)
	}
	t, err := template.New(name).Parse(stripHeader(string(text)))
	if err != nil {
		return "", fmt.Errorf("parse query %s: %w", name, err)
	}
	if n.IDType == "" {
		n.IDType = n.KeyType
	}
	set := map[string]bool{}
	for _, f := range flags {
		set[f] = true
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Names
		Has map[string]bool
	}{n, set})
	if err != nil {
		return "", fmt.Errorf("fill query %s: %w", name, err)
	}
	return onPrimary + strings.TrimSpace(b.String()), nil
}

// Identity returns the text of queries/identity.sql, and of those that ask for less, for
// where a database can't say all of it.
func Identity(n Names, flags ...string) (all []string, err error) {
	for _, asks := range [][]string{nil, {"less"}, {"less", "least"}} {
		text, err := Query("identity", n, append(asks, flags...)...)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// stripHeader drops the leading comment, which is for readers, not for the
// server's log and pg_stat_statements.
func stripHeader(text string) string {
	for strings.HasPrefix(text, "--") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}
