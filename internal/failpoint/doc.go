// Package failpoint names the instants of the protocol at which a test may end
// a runner, stop it, hold it up, or let a step fail.
//
// In a production build its functions are empty and nothing of it is in the
// binary. Built with the tag `failpoints`, a program obeys BILLONCE_FAILPOINTS:
//
//	before_send=kill@3;after_reply=stop:2s
//
// is a list of point=action, with an argument behind a colon, and behind an @
// the hit at which it happens, once (the first, if none is given):
//
//	kill      SIGKILL to itself, at that very instruction
//	stop      SIGSTOP to itself; with a duration, SIGCONT comes after that
//	delay     the goroutine waits, 100 ms without an argument
//	error     the step fails as if its connection had broken
//
// What happens is said in a line on standard error first:
//
//	failpoint before_send: hit 3: kill
package failpoint

// Point is an instant of the protocol.
type Point struct {
	Name    string
	CanFail bool // it knows the action `error`
}

// Points are all points, in the order of the protocol.
func Points() []Point {
	return []Point{
		{"before_scan", false},
		{"after_scan", true},
		{"before_lock", true},
		{"after_lock", true},
		{"before_second_look", false},
		{"after_second_look", true},
		{"before_intent_commit", false},
		{"after_intent_commit", true}, // it has failed, or only its answer is lost: nobody knows
		{"before_send", false},        // the permit has not been asked yet
		{"before_write", false},       // the permit is given
		{"after_write", true},
		{"after_reply", false},
		{"before_settle_commit", false},
		{"after_settle_commit", true},
		{"before_release", false},
	}
}
