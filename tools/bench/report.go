package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

// reportVersion changes with the meaning of the JSON's fields.
const reportVersion = 2

// noisy is the spread of the loop's own times, as a part of their median, above
// which the machine had other work to do.
const noisy = 0.3

type report struct {
	Version   int        `json:"version"`
	Began     time.Time  `json:"began"`
	Rounds    int        `json:"rounds"`
	Scenarios []measured `json:"scenarios"`
}

// measured is a scenario with what its rounds came to.
type measured struct {
	Scenario scenario `json:"scenario"`
	Rounds   []round  `json:"rounds"`
}

func writeHead(out io.Writer, o options) {
	fmt.Fprintf(out, `%d rounds on %d cores. Times are medians (least–most) in seconds, the loop and the run in turn;
the ratio is of the two times of one round. CPU, WAL and commits are the run's, for each invoice.

%-31s %-18s %-18s %-18s %28s %6s %8s %5s %5s
`, o.rounds, runtime.NumCPU(), "", "bare loop", "batch run", "ratio", "CPU µs: loop+API run PG API", "WAL B", "commits‰", "conns", "RSS")
}

func (m measured) writeText(out io.Writer) {
	m.writeRow(out, m.Scenario.Name, func(r round) (usage, spent) { return r.Run, r.Spent })
	if m.Rounds[0].Against != nil {
		m.writeRow(out, "  the same by the other build", func(r round) (usage, spent) { return *r.Against, *r.AgainstSpent })
	}
	if m.Rounds[0].River != nil {
		m.writeRow(out, "  the same by River", func(r round) (usage, spent) { return *r.River, *r.RiverSpent })
	}
}

func (m measured) writeRow(out io.Writer, name string, of func(round) (usage, spent)) {
	each := func(f func(round, usage, spent) float64) []float64 {
		values := make([]float64, len(m.Rounds))
		for i, r := range m.Rounds {
			u, s := of(r)
			values[i] = f(r, u, s)
		}
		return values
	}
	n := float64(m.Scenario.Invoices)
	one := func(f func(round, usage, spent) float64) float64 { return median(each(f)) / n }
	loop := each(func(r round, _ usage, _ spent) float64 { return r.Loop.Seconds })
	fmt.Fprintf(out, "%-31s %-18s %-18s %-18s %14.0f %4.0f %3.0f %3.0f %6.0f %8.1f %5.0f %4.0fM",
		name, spread(loop),
		spread(each(func(_ round, u usage, _ spent) float64 { return u.Seconds })),
		spread(each(func(r round, u usage, _ spent) float64 { return u.Seconds / r.Loop.Seconds })),
		1e6*one(func(r round, _ usage, _ spent) float64 { return r.Loop.ClientCPU + r.Loop.APICPU }),
		1e6*one(func(_ round, u usage, _ spent) float64 { return u.ClientCPU }),
		1e6*one(func(_ round, _ usage, s spent) float64 { return s.CPU }),
		1e6*one(func(_ round, u usage, _ spent) float64 { return u.APICPU }),
		one(func(_ round, _ usage, s spent) float64 { return float64(s.WALBytes) }),
		1e3*one(func(_ round, _ usage, s spent) float64 { return float64(s.Commits) }),
		median(each(func(_ round, _ usage, s spent) float64 { return float64(s.Connections) })),
		median(each(func(_ round, u usage, _ spent) float64 { return u.ClientRSSMiB })))
	if isNoisy(loop) {
		fmt.Fprint(out, "  noisy")
	}
	fmt.Fprintln(out)
}

func writeFoot(out io.Writer, r report) {
	for _, m := range r.Scenarios {
		loop := make([]float64, len(m.Rounds))
		for i := range m.Rounds {
			loop[i] = m.Rounds[i].Loop.Seconds
		}
		if isNoisy(loop) {
			fmt.Fprintf(out, "\nnoisy: the loop's own times differ by more than %.0f %%; the machine had other work to do.\n", noisy*100)
			return
		}
	}
}

func (r report) writeJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func isNoisy(values []float64) bool {
	return slices.Max(values)-slices.Min(values) > noisy*median(values)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(values), slices.Min(values), slices.Max(values))
}
