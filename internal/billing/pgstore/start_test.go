package pgstore

import (
	"math"
	"testing"
)

func TestIntegerAtSurvivesTheRangeOfBigint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to int64
		place    float64
		want     int64
	}{
		{1, 1000, 0, 0},
		{1, 1001, 0.5, 500},
		{7, 7, 0.9, 6},
		{-10, 10, 0.5, -1},
		{math.MinInt64, math.MaxInt64, 0.5, -1},
		{math.MinInt64, math.MaxInt64, 0.75, 1<<62 - 1},
	} {
		if got := integerAt(c.from, c.to, c.place); got != c.want {
			t.Errorf("from %d to %d at %v: %d, want %d", c.from, c.to, c.place, got, c.want)
		}
	}
}

func TestUUIDAtFollowsTheOrderOfUUIDs(t *testing.T) {
	t.Parallel()
	for place, want := range map[float64]string{
		0:    "00000000-0000-0000-0000-000000000000",
		0.5:  "80000000-0000-0000-0000-000000000000",
		0.75: "c0000000-0000-0000-0000-000000000000",
	} {
		if got := uuidAt(place).String(); got != want {
			t.Errorf("at %v: %s, want %s", place, got, want)
		}
	}
}

func TestTextAtLiesBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		low, high string
		place     float64
		want      string
	}{
		{"t000001", "t001000", 0.5, "t0005005000"},
		{"INV-2025-0900", "INV-2026-0100", 0.5, "INV-2025V050000"},
		{"k1", "k9", 0.25, "k30000000"},
		{"7", "7", 0.9, "700000000"},
		{"", "9", 0.5, "45000000"},
		{"äb", "äz", 0.5, "00n00000"},
	} {
		if got := textAt(c.low, c.high, c.place); got != c.want {
			t.Errorf("from %q to %q at %v: %q, want %q", c.low, c.high, c.place, got, c.want)
		}
	}
}
