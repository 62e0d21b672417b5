package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
)

// noisy is the spread of the loop's own times, as a part of their median, above
// which the machine had other work to do.
const noisy = 0.3

func writeHead(out io.Writer, o options) {
	fmt.Fprintf(out, `%d rounds on %d cores. Times are medians (least–most) in seconds, the loop and the run in turn;
the ratio is of the two times of one round. CPU, WAL and commits are the run's, for each invoice.

%-31s %-18s %-18s %-18s %28s %6s %8s %5s %5s
`, o.rounds, runtime.NumCPU(), "", "bare loop", "batch run", "ratio", "CPU µs: loop+API run PG API", "WAL B", "commits‰", "conns", "RSS")
}

// writeRow tells a contestant's costs, and the loop's beside them.
func writeRow(out io.Writer, name string, invoices int, loop, costs []cost) {
	ratios := make([]float64, len(costs))
	for i, c := range costs {
		ratios[i] = c.seconds / loop[i].seconds
	}
	perInvoice := func(of []cost, f func(cost) float64) float64 { return median(each(of, f)) / float64(invoices) }
	fmt.Fprintf(out, "%-31s %-18s %-18s %-18s %14.0f %4.0f %3.0f %3.0f %6.0f %8.1f %5.0f %4.0fM",
		name, spread(each(loop, seconds)), spread(each(costs, seconds)), spread(ratios),
		1e6*perInvoice(loop, func(c cost) float64 { return c.cpu + c.api.cpu }),
		1e6*perInvoice(costs, func(c cost) float64 { return c.cpu }),
		1e6*perInvoice(costs, func(c cost) float64 { return c.database.cpu }),
		1e6*perInvoice(costs, func(c cost) float64 { return c.api.cpu }),
		perInvoice(costs, func(c cost) float64 { return float64(c.database.WALBytes) }),
		1e3*perInvoice(costs, func(c cost) float64 { return float64(c.database.Commits) }),
		median(each(costs, func(c cost) float64 { return float64(c.database.connections) })),
		median(each(costs, func(c cost) float64 { return c.rss })))
	if isNoisy(loop) {
		fmt.Fprint(out, "  noisy")
	}
	fmt.Fprintln(out)
}

func writeFoot(out io.Writer, anyNoise bool) {
	if anyNoise {
		fmt.Fprintf(out, "\nnoisy: the loop's own times differ by more than %.0f %%; the machine had other work to do.\n", noisy*100)
	}
}

func isNoisy(loop []cost) bool {
	times := each(loop, seconds)
	return slices.Max(times)-slices.Min(times) > noisy*median(times)
}
