package billing

import (
	"errors"
	"time"
)

// ErrPaused says that nothing was begun since a person has paused the book.
var ErrPaused = errors.New("the book is paused")

// ErrTableHeld says that another session has locked the invoices' table as a whole: the
// next run goes on.
var ErrTableHeld = errors.New("the invoices' table is locked as a whole")

// Pause is why nothing of a book is sent.
type Pause struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}
