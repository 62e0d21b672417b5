package engine

import "time"

// tooLate asks both clocks: the monotonic one is deaf to steps of the other, and
// stands still while a machine is suspended (clock_gettime(2), CLOCK_MONOTONIC).
func tooLate(by time.Time) bool {
	now := time.Now()
	return now.After(by) || now.Round(0).After(by.Round(0))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
