package report

import (
	"math"
	"slices"
)

// leastRounds is below what rounds say nothing about noise.
const leastRounds = 3

// isNoise says whether ratios, one a round, are as chance alone would have them in
// one comparison out of twenty. That is Lord's test: Student's with the range in
// place of the standard deviation, which so few values hardly show (E. Lord, The
// use of range in place of standard deviation in the t-test, Biometrika 34, 1947).
// Of ratios the logarithms count: twice and half are equally far from the same.
func isNoise(ratios []float64) bool {
	n := len(ratios)
	if n < leastRounds {
		return true
	}
	logs, sum := make([]float64, n), 0.0
	for i, x := range ratios {
		logs[i] = math.Log(x)
		sum += logs[i]
	}
	mean, spread := math.Abs(sum/float64(n)), slices.Max(logs)-slices.Min(logs)
	return mean <= lordLimit(n)*spread
}

// lordLimit is Lord's table for n values at 5 %, two-sided; behind its end the last
// one, which errs towards noise.
func lordLimit(n int) float64 {
	limits := []float64{1.304, 0.717, 0.507, 0.399, 0.333, 0.288, 0.255, 0.230} // from 3 on
	return limits[min(n-leastRounds, len(limits)-1)]
}
