package billing

import (
	"errors"
	"time"
)

// ErrFailedOver says that the database is on another timeline than the run has worked on:
// nothing was written.
var ErrFailedOver = errors.New("the database was failed over")

// ErrForgotten says that the database may have forgotten what was sent.
var ErrForgotten = errors.New("the database may have forgotten what was sent")

// Lost is an intent that was committed and that a fail-over has lost.
type Lost struct {
	Intent     // without Seen
	KeyVersion int
	Doubtful   bool          // an earlier attempt may have had its effect
	Age        time.Duration // since the first attempt under its key
}
