// Package pgerr reads what PostgreSQL says of a statement that it refuses, by
// SQLSTATE (manual, Appendix A).
package pgerr

import (
	"errors"
	"slices"

	"github.com/jackc/pgerrcode"
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

// Raised says that a function or a trigger has raised err by itself (PL/pgSQL's RAISE),
// whatever code it has chosen: the same row raises it again.
func Raised(err error) bool {
	said := From(err)
	return said != nil && said.Routine == "exec_stmt_raise"
}

// FailsOnData says that the user's SQL fails on what a row holds, or a function that it
// calls does: not on every row, as one that is wrong or not allowed. An error in a
// function's own statements has a context (manual, 55.8, W); one of a row that the server
// can't read has no other class than internal errors (a TOAST table that is damaged).
func FailsOnData(err error) bool {
	said := From(err)
	if said == nil {
		return false
	}
	if Raised(err) {
		return true
	}
	for _, class := range []string{
		pgerrcode.DataException, pgerrcode.CardinalityViolation, pgerrcode.IntegrityConstraintViolation,
		pgerrcode.PLpgSQLError, pgerrcode.ExternalRoutineException, pgerrcode.ExternalRoutineInvocationException, pgerrcode.SQLRoutineException,
		pgerrcode.ProgramLimitExceeded, pgerrcode.FDWError,
	} {
		if InClass(err, class) {
			return true
		}
	}
	switch {
	case Is(err, pgerrcode.DataCorrupted, pgerrcode.InternalError):
		return said.Routine != "" // a pooler has none
	case InClass(err, pgerrcode.SyntaxErrorOrAccessRuleViolation) && said.Code != pgerrcode.InsufficientPrivilege,
		Is(err, pgerrcode.FeatureNotSupported), InClass(err, pgerrcode.ObjectNotInPrerequisiteState) && said.Code != pgerrcode.LockNotAvailable:
		return said.Where != ""
	}
	return false
}
