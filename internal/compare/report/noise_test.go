package report

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestNoise: where nothing differs but by chance, one comparison out of twenty is
// taken for a difference, whatever the number of rounds.
func TestNoise(t *testing.T) {
	t.Parallel()
	const tries = 40_000
	random := rand.New(rand.NewPCG(1947, 34))
	for rounds := 3; rounds <= 10; rounds++ {
		found := 0
		for range tries {
			ratios := make([]float64, rounds)
			for i := range ratios {
				ratios[i] = math.Exp(0.2 * random.NormFloat64())
			}
			if !isNoise(ratios) {
				found++
			}
		}
		if part := float64(found) / tries; part < 0.045 || part > 0.055 {
			t.Errorf("%d rounds: a difference was found in %.1f %% of the comparisons, want 5 %%", rounds, 100*part)
		}
	}
}

func TestNoiseKnowsDifferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ratios []float64
		noise  bool
	}{
		{"the same", []float64{1, 1, 1}, true},
		{"always as much", []float64{0.9, 0.9, 0.9}, false},
		{"about as much", []float64{1.30, 1.33, 1.36}, false},
		{"all above, and by far apart", []float64{1.05, 1.4, 2.5}, true},
		{"contradicting each other", []float64{0.9, 1.1, 1.2, 0.95, 1.3}, true},
		{"two rounds", []float64{2, 2}, true},
		{"many rounds", []float64{1.1, 1.2, 1.1, 1.2, 1.1, 1.2, 1.1, 1.2, 1.1, 1.2, 1.1, 1.2}, false},
	} {
		if got := isNoise(c.ratios); got != c.noise {
			t.Errorf("%s: noise %v, want %v", c.name, got, c.noise)
		}
	}
}
