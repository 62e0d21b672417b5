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
	// Submitted: only deliveries that the API has taken with a 202 come to it.
	Submitted bool
}

// Points are all points, in the order of the protocol.
func Points() []Point {
	return []Point{
		{Name: "before_scan"},
		{Name: "after_scan", CanFail: true},
		{Name: "before_lock", CanFail: true},
		{Name: "after_lock", CanFail: true},
		{Name: "before_second_look"},
		{Name: "after_second_look", CanFail: true},
		{Name: "before_intent_commit"},
		{Name: "after_intent_commit", CanFail: true}, // it has failed, or only its answer is lost: nobody knows
		{Name: "before_send"},                        // the permit has not been asked yet
		{Name: "before_write"},                       // the permit is given
		{Name: "after_write", CanFail: true},
		{Name: "after_reply"},
		{Name: "before_settle_commit"},
		{Name: "after_settle_commit", CanFail: true},
		{Name: "before_release"},
		{Name: "before_submitted_look_up", Submitted: true},
		{Name: "after_submitted_look_up", Submitted: true},
	}
}
