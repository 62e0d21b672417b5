package report

import "slices"

// Spread is what a number came to over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) Spread {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	median := values[middle]
	if len(values)%2 == 0 {
		median = (values[middle-1] + values[middle]) / 2
	}
	return Spread{Median: median, Min: values[0], Max: values[len(values)-1]}
}

// Ratio compares advisory with row in one measure. Each of its values comes from
// within one round, whose samples had the same neighbours and the same disk.
type Ratio struct {
	Runners   int     `json:"runners"`
	LatencyMS float64 `json:"latency_ms"`
	ClaimSize int     `json:"claim_size"`
	Measure   string  `json:"measure"`
	Spread            // advisory ÷ row
	Noise     bool    `json:"noise"` // chance alone would do that; see isNoise
}

func newRatios(s Scenario, base, other []Sample) []Ratio {
	var ratios []Ratio
	for _, m := range measures() {
		if !m.compared {
			continue
		}
		var values []float64
		for _, o := range other {
			for _, b := range base {
				x, xok := m.of(b)
				y, yok := m.of(o)
				if b.Round == o.Round && xok && yok && x > 0 && y > 0 {
					values = append(values, y/x)
				}
			}
		}
		if len(values) == 0 {
			continue
		}
		ratios = append(ratios, Ratio{
			Runners: s.Runners, LatencyMS: s.LatencyMS, ClaimSize: s.ClaimSize, Measure: m.key,
			Spread: spreadOf(values), Noise: isNoise(values),
		})
	}
	return ratios
}
