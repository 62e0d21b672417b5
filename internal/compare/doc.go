// Package compare shows what keeping servers apart is worth. [Demo] shows five
// scenarios, for `batch demo`; [Comparison] measures the lock strategies against
// each other, for `batch compare`.
//
// Both start real processes on a schema of their own, and believe nobody but the
// billing API about what was billed.
package compare
