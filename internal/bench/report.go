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
const reportVersion = 1

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
	each := func(f func(round) float64) []float64 {
		values := make([]float64, len(m.Rounds))
		for i, r := range m.Rounds {
			values[i] = f(r)
		}
		return values
	}
	n := float64(m.Scenario.Invoices)
	micro := func(f func(round) float64) float64 { return median(each(f)) / n * 1e6 }
	loop := each(func(r round) float64 { return r.Loop.Seconds })
	fmt.Fprintf(out, "%-31s %-18s %-18s %-18s %14.0f %4.0f %3.0f %3.0f %6.0f %8.1f %5.0f %4.0fM",
		m.Scenario.Name, spread(loop),
		spread(each(func(r round) float64 { return r.Run.Seconds })),
		spread(each(func(r round) float64 { return r.Run.Seconds / r.Loop.Seconds })),
		micro(func(r round) float64 { return r.Loop.ClientCPU + r.Loop.APICPU }),
		micro(func(r round) float64 { return r.Run.ClientCPU }),
		micro(func(r round) float64 { return r.Spent.CPU }),
		micro(func(r round) float64 { return r.Run.APICPU }),
		micro(func(r round) float64 { return float64(r.Spent.WALBytes) / 1e6 }),
		micro(func(r round) float64 { return float64(r.Spent.Commits) / 1e3 }),
		median(each(func(r round) float64 { return float64(r.Spent.Connections) })),
		median(each(func(r round) float64 { return r.Run.ClientRSSMiB })))
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
