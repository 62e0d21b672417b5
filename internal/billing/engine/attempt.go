package engine

import "time"

// attempt is a step whose intent is committed: one request on its way.
type attempt struct {
	*step
	claim  *claim
	sendBy time.Time // no byte is written after this
}
