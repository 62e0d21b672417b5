//go:build !failpoints

package failpoint

// Hit marks a point.
func Hit(string) {}

// Fail marks a point at which the step can fail: err is set, if it is nil.
func Fail(string, *error) {}
