package billing

import (
	"errors"
	"time"
)

// ErrPaused says that nothing was begun since a person has paused the book.
var ErrPaused = errors.New("the book is paused")

// Pause is why nothing of a book is sent.
type Pause struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}
