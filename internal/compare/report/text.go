package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/words"
)

const columns = 100 // of the terminal that the text is for

// WriteText writes the report for people: the conclusions, and tables of medians.
func (r Report) WriteText(out io.Writer) error {
	var b strings.Builder
	for _, f := range r.Conclusions {
		b.WriteString(words.Wrap(f, columns, "- ", "  ") + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n", words.Wrap(r.Conditions.sentence(), columns, "", ""))
	for _, ms := range distinct(r.Results, func(x Result) float64 { return x.LatencyMS }) {
		at := slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.LatencyMS != ms })
		fmt.Fprintf(&b, "\nAn API that takes %s, %s a sample\n", latency(ms), invoices(at[0].Invoices))
		writeSpeed(&b, at)
		b.WriteString("\nWhat it costs PostgreSQL\n")
		writeCost(&b, at)
	}
	r.writeDrills(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

// sentence says what was measured on what.
func (c Conditions) sentence() string {
	server := "a temporary PostgreSQL " + c.PostgreSQL + " with default settings"
	if c.OwnServer {
		server = "your PostgreSQL " + c.PostgreSQL
	}
	cpus := words.Plural(c.CPUs, "CPU")
	return fmt.Sprintf("Medians, and (least–most), of %s on %s; runners with up to %s each on %s (%s); %s; it took %.0f s. WAL, commits and pages are the whole server's.",
		words.Plural(c.Rounds, "interleaved round"), server, words.Plural(c.Concurrency, "request")+" in flight",
		cpus, c.System, c.Program, c.Seconds)
}

func writeSpeed(b *strings.Builder, results []Result) {
	const line = "%-13s %7s  %-22s %9s %7s %8s %8s %8s\n"
	fmt.Fprintf(b, line, "strategy", "runners", "invoices/s", "requests", "twice", "p50 ms", "p95 ms", "p99 ms")
	for _, x := range results {
		fmt.Fprintf(b, line, x.name(results), fmt.Sprint(x.Runners), x.spread("invoices_per_second"), x.median("requests"), x.median("duplicates"),
			x.median("p50_ms"), x.median("p95_ms"), x.median("p99_ms"))
	}
}

func writeCost(b *strings.Builder, results []Result) {
	const line = "%-13s %7s %6s %6s %8s %7s %7s %6s %8s %9s %6s\n"
	fmt.Fprintf(b, line, "each invoice:", "runners", "tx", "commit", "WAL B", "pages", "dead", "locks", "others'", "vacuum s", "conns")
	for _, x := range results {
		fmt.Fprintf(b, line, x.name(results), fmt.Sprint(x.Runners), x.median("transactions"), x.median("commits"), x.median("wal_bytes"),
			x.median("dirtied_pages"), x.median("dead_tuples"), x.median("lock_entries"), x.median("held"), x.median("horizon_seconds"), x.median("connections"))
	}
}

// name tells claim sizes apart where there are several.
func (x Result) name(among []Result) string {
	for _, o := range among {
		if o.Strategy == x.Strategy && o.ClaimSize != x.ClaimSize {
			return fmt.Sprintf("%s %d", x.Strategy, x.ClaimSize)
		}
	}
	return x.Strategy
}

func (x Result) median(key string) string {
	s, found := x.Measures[key]
	if !found {
		return "–"
	}
	return measureOf(key).number(s.Median)
}

func (x Result) spread(key string) string {
	s, number := x.Measures[key], measureOf(key).number
	if number(s.Min) == number(s.Max) {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

func (r Report) writeDrills(b *strings.Builder) {
	if len(r.Drills) == 0 {
		return
	}
	const line = "%-22s %9s %9s %13s %9s %10s\n"
	fmt.Fprintf(b, "\nCrash drill: one of two runners is killed (kill -9) in mid-flight\n"+line,
		"strategy", "invoices", "requests", "billed twice", "in doubt", "done after")
	for _, d := range r.Drills {
		done := hundredths(d.DoneSeconds) + " s"
		if d.MoreRuns > 0 {
			done += fmt.Sprintf(", and %s", words.Plural(d.MoreRuns, "more run"))
		}
		fmt.Fprintf(b, line, d.Name(), fmt.Sprint(d.Invoices), fmt.Sprint(d.Requests), fmt.Sprint(d.BilledTwice), fmt.Sprint(d.InDoubt), done)
	}
}

// Name says which drill it is.
func (d Drill) Name() string {
	if isBillonce(d.Strategy) && !d.Keys {
		return d.Strategy + ", API without keys"
	}
	return d.Strategy
}
