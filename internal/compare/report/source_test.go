package report_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

// source makes up a comparison; the same seed makes the same one.
type source struct{ *rand.Rand }

func newSource() source { return source{rand.New(rand.NewPCG(1972, 12))} }

// about scatters x by up to a part of it.
func (s source) about(x, part float64) float64 { return x * (1 + part*(2*s.Float64()-1)) }

func (s source) report() report.Report {
	return report.New(report.Conditions{
		Program: "batch 1.0.0", PostgreSQL: "15.18", CPUs: 4, System: "linux/amd64",
		Began: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Seconds: 118.25, Rounds: 3, Concurrency: 8,
	}, s.samples(), s.drills())
}

func (s source) samples() []report.Sample {
	samples := []report.Sample{}
	for _, latency := range []float64{0, 200} {
		for _, runners := range []int{1, 4} {
			for _, strategy := range []string{report.None, report.NoWait, report.Row, report.Advisory} {
				for round := 1; round <= 3; round++ {
					samples = append(samples, s.sample(report.Scenario{Strategy: strategy, Runners: runners, LatencyMS: latency}, round))
				}
			}
		}
	}
	return samples
}

func (s source) sample(scenario report.Scenario, round int) report.Sample {
	const n = 400
	runners := float64(scenario.Runners)
	c := report.Sample{
		Scenario: scenario, Round: round, Invoices: n, Requests: n, Seconds: s.about(0.2+n*scenario.LatencyMS/8e3/runners, 0.05),
		Connections: 8 * scenario.Runners, Transactions: int64(n * runners), Commits: n,
		WALBytes: int64(s.about(400*n, 0.02)), LockEntries: 8 * scenario.Runners, DeadTuples: n,
	}
	c.P50MS, c.P95MS, c.P99MS = s.about(scenario.LatencyMS+2, 0.02), s.about(scenario.LatencyMS+9, 0.02), s.about(scenario.LatencyMS+20, 0.02)
	pages := int64(s.about(40, 0.1))
	c.DirtiedPages = &pages
	switch scenario.Strategy {
	case report.None:
		c.Seconds, c.Requests = s.about(0.2+n*scenario.LatencyMS/8e3, 0.05), n*scenario.Runners
		if scenario.Runners > 1 {
			c.Duplicates = n
		}
	case report.NoWait:
		c.HorizonSeconds, c.Held = s.about(scenario.LatencyMS/1e3, 0.05), n/2
	case report.Row:
		c.ClaimSize, c.HorizonSeconds, c.Connections = 500, s.about(2*scenario.LatencyMS/1e3, 0.05), 5*scenario.Runners
		c.WALBytes, c.Commits = int64(s.about(800*n, 0.01)), 120
	case report.Advisory:
		c.ClaimSize, c.Connections, c.LockEntries = 500, 6*scenario.Runners, 60*scenario.Runners
		c.WALBytes, c.Commits = int64(s.about(730*n, 0.01)), 60
	}
	return c
}

func (s source) drills() []report.Drill {
	return []report.Drill{
		s.drill(report.Drill{Strategy: report.None, BilledTwice: 6, DoneSeconds: 1.2}),
		s.drill(report.Drill{Strategy: report.NoWait, BilledTwice: 2, DoneSeconds: 1.4, MoreRuns: 1}),
		s.drill(report.Drill{Strategy: report.Row, Keys: true, DoneSeconds: 0.9}),
		s.drill(report.Drill{Strategy: report.Advisory, Keys: true, DoneSeconds: 0.8}),
		s.drill(report.Drill{Strategy: report.Row, InDoubt: 4, DoneSeconds: 7.9}),
	}
}

// drill has two waves of four requests by the runner that is killed, and five by
// the other one, or by the next run, which repeats or bills again what was in flight.
func (s source) drill(d report.Drill) report.Drill {
	d.Invoices, d.Killed, d.KilledAtMS = 40, "runner 1", 330
	add := func(runner string, wave int, kind report.Kind) {
		for slot := range 4 {
			from := s.about(float64(20+155*wave), 0.01) + float64(slot)
			e := report.Event{Runner: runner, Invoice: fmt.Sprint(1 + len(d.Events)%40), FromMS: from, ToMS: s.about(from+150, 0.005), Kind: kind}
			if kind == report.Repeated {
				e.ToMS = e.FromMS
			}
			d.Events = append(d.Events, e)
		}
	}
	for wave := range 5 {
		switch {
		case wave == 1 && d.InDoubt > 0:
			add("runner 1", wave, report.Doubtful)
		case wave < 2:
			add("runner 1", wave, report.Billed)
		}
		add("runner 2", wave, report.Billed)
	}
	switch {
	case d.MoreRuns > 0:
		add("next run", 6, report.Twice)
	case d.BilledTwice > 0:
		add("runner 2", 5, report.Twice)
	case d.Keys:
		add("runner 2", 5, report.Repeated)
	}
	d.Requests = len(d.Events)
	return d
}
