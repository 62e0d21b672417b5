package engine

import "time"

// attempt is a step whose intent is committed: one request on its way.
type attempt struct {
	*step
	claim     *claim
	committed time.Time // from before its intent was sent to the database
	sendBy    time.Time // no byte is written after this
}
