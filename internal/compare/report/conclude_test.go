package report_test

import (
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/compare/report"
)

// pair is a round of row and advisory, with so many seconds for 1,000 invoices.
func pair(round int, row, advisory float64) []report.Sample {
	sample := func(strategy string, seconds float64) report.Sample {
		return report.Sample{
			Scenario: report.Scenario{Strategy: strategy, Runners: 2, LatencyMS: 20, ClaimSize: 500}, Round: round,
			Invoices: 1000, Requests: 1000, Seconds: seconds, WALBytes: 800_000, Commits: 300, Transactions: 400,
		}
	}
	return []report.Sample{sample(report.Row, row), sample(report.Advisory, advisory)}
}

func pairs(seconds ...[2]float64) (samples []report.Sample) {
	for i, s := range seconds {
		samples = append(samples, pair(i+1, s[0], s[1])...)
	}
	return samples
}

func TestConclusions(t *testing.T) {
	t.Parallel()
	twice := pairs([2]float64{1, 1}, [2]float64{1, 1}, [2]float64{1, 1})
	twice[3].Duplicates = 2
	for _, c := range []struct {
		name    string
		rounds  int
		samples []report.Sample
		drills  []report.Drill
		want    []string // each in one conclusion
		never   string
	}{
		{
			name: "faster in every round, though the rounds overlap", rounds: 3,
			samples: pairs([2]float64{2, 1}, [2]float64{4, 2}, [2]float64{8, 4}),
			want:    []string{"prefer advisory", "at 20 ms +100 % invoices a second (+100 % to +100 %, by round)"},
		},
		{
			name: "inside the noise", rounds: 3,
			samples: pairs([2]float64{1, 1.1}, [2]float64{1, 0.9}, [2]float64{1, 1.5}),
			want:    []string{"prefer advisory", "at 20 ms the difference is inside the noise"}, never: "invoices a second",
		},
		{
			name: "slower, and not by noise", rounds: 3,
			samples: pairs([2]float64{1, 1.5}, [2]float64{1, 1.6}, [2]float64{1, 1.4}),
			want:    []string{"row was more than 10 % faster with 2 runners and 20 ms", "−33 % invoices a second"},
		},
		{
			name: "slower by little", rounds: 3,
			samples: pairs([2]float64{1, 1.05}, [2]float64{1, 1.06}, [2]float64{1, 1.04}),
			want:    []string{"prefer advisory", "−5 % invoices a second"},
		},
		{
			name: "too few rounds", rounds: 2,
			samples: pairs([2]float64{1, 9}, [2]float64{1, 9}),
			want:    []string{"ask for --rounds 3 or more", "too few rounds to say"}, never: "inside the noise",
		},
		{
			name: "one strategy", rounds: 3, samples: pair(1, 1, 1)[:1],
			want: []string{"not both measured"}, never: "prefer",
		},
		{
			name: "Billonce bills twice", rounds: 3, samples: twice,
			want: []string{"Billonce billed 2 invoices more than once: nothing else counts"}, never: "prefer",
		},
		{
			name: "Billonce bills twice in a drill", rounds: 3, samples: pairs([2]float64{1, 1}),
			drills: []report.Drill{{Strategy: report.Row, Keys: true, BilledTwice: 1}},
			want:   []string{"Billonce billed 1 invoice more than once"}, never: "prefer",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := report.New(report.Conditions{Rounds: c.rounds, Concurrency: 8}, c.samples, c.drills)
			text := strings.Join(r.Conclusions, "\n")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("want %q, got:\n%s", want, text)
				}
			}
			if c.never != "" && strings.Contains(text, c.never) {
				t.Errorf("want no %q, got:\n%s", c.never, text)
			}
		})
	}
}
