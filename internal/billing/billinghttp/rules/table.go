package rules

import (
	"fmt"
	"slices"
)

// Row is a line of the table that shows what each status means.
type Row struct {
	Status string // 200, 4xx or 201-299; empty: the status of the row above
	If     string // the condition; empty: there is none, or none of those above holds
	Word   Word
	Line   int // of the rule; 0: built in
}

// Table says what each status means now; builtIn what it means without rules. Statuses
// of one meaning share their rows.
func (s *Set) Table(builtIn func(status int) Word) []Row {
	var table []Row
	for from := 200; from <= highest; {
		meaning := s.meaning(from, builtIn)
		to := from
		// Not across classes: 404-503 would be hard to read.
		for to < highest && to%100 != 99 && slices.Equal(s.meaning(to+1, builtIn), meaning) {
			to++
		}
		meaning[0].Status = statuses(from, to)
		table = append(table, meaning...)
		from = to + 1
	}
	return table
}

// meaning is what can become of a status, in the order in which it is tried.
func (s *Set) meaning(status int, builtIn func(int) Word) []Row {
	var rows []Row
	if s != nil {
		for _, r := range s.rules {
			if !r.names(status) {
				continue
			}
			if r.condition == nil {
				return append(rows, Row{Word: r.word, Line: r.line})
			}
			rows = append(rows, Row{If: r.condition.source, Word: r.word, Line: r.line})
		}
		if s.replaced(status) {
			return append(rows, Row{Word: Unknown})
		}
	}
	return append(rows, Row{Word: builtIn(status)})
}

func statuses(low, high int) string {
	switch {
	case low == high:
		return fmt.Sprint(low)
	case low%100 == 0 && high == low+99:
		return fmt.Sprintf("%dxx", low/100)
	}
	return fmt.Sprintf("%d-%d", low, high)
}
