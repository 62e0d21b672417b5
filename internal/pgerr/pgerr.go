// Package pgerr reads what PostgreSQL says of a statement that it refuses, by
// SQLSTATE (manual, Appendix A).
package pgerr

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// TransactionTimeout is PostgreSQL's since version 17; pgerrcode doesn't have it.
const TransactionTimeout = "25P04"

// From returns what the server said; nil where err is none of the server's.
func From(err error) *pgconn.PgError {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said
	}
	return nil
}

// Is says whether err is the server's, with one of these codes.
func Is(err error, codes ...string) bool {
	said := From(err)
	return said != nil && slices.Contains(codes, said.Code)
}

// InClass says whether err is the server's, with any code of the same class as
// code: a newer server, or a pooler, may have more codes than we know.
func InClass(err error, code string) bool {
	const class = 2 // characters that name the class (manual, Appendix A)
	said := From(err)
	return said != nil && len(said.Code) > class && said.Code[:class] == code[:class]
}
