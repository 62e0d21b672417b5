package rules

import (
	"context"
	"fmt"
	"strings"
)

// Ruling is what rules make of a reply.
type Ruling struct {
	Word   Word   // empty: no rule decides, and the built-in meaning stands
	Line   int    // of the rule that decides; 0: none
	Reason string // why it is unknown though no rule says so
	Judged bool   // the rules have seen all that they ask for: unknown is what they say
}

// NeedsBody says whether a rule for this status has a condition.
func (s *Set) NeedsBody(status int) bool {
	if s == nil {
		return false
	}
	for _, r := range s.rules {
		if r.names(status) && r.condition != nil {
			return true
		}
	}
	return false
}

// replaced says that the status's built-in meaning no longer applies: a condition says
// when it does.
func (s *Set) replaced(status int) bool {
	succeeds := status >= 200 && status <= 299
	return (succeeds || s.about == LookUps && status == 404) && s.NeedsBody(status)
}

// Judge applies the rules. ctx bounds how long conditions may take.
func (s *Set) Judge(ctx context.Context, reply Reply) Ruling {
	if s == nil {
		return Ruling{}
	}
	var seen map[string]any
	for _, r := range s.rules {
		switch {
		case !r.names(reply.Status):
			continue
		case r.condition == nil:
			return Ruling{Word: r.word, Line: r.line, Judged: true}
		case reply.Unread != nil:
			return Ruling{Word: Unknown, Reason: fmt.Sprintf("its body can't be read to its end for the rule in line %d: %s", r.line, reply.Unread)}
		}
		if seen == nil {
			seen = reply.seen()
		}
		holds, err := r.condition.holds(ctx, seen)
		if err != nil {
			return Ruling{Word: Unknown, Reason: fmt.Sprintf("the condition in line %d has no end: %s", r.line, err)}
		}
		if holds {
			return Ruling{Word: r.word, Line: r.line, Judged: true}
		}
	}
	if s.replaced(reply.Status) {
		return Ruling{Word: Unknown, Reason: "no rule for this status matches", Judged: true}
	}
	return Ruling{}
}

// Source is a rule as people know it: its line's condition.
func (s *Set) Source(line int) string {
	for _, r := range s.rules {
		if r.line == line {
			return r.String()
		}
	}
	return ""
}

// String is the rules, one a line.
func (s *Set) String() string {
	if s == nil {
		return ""
	}
	lines := make([]string, len(s.rules))
	for i, r := range s.rules {
		lines[i] = r.String()
	}
	return strings.Join(lines, "\n")
}

func (r rule) String() string {
	statuses := statuses(r.low, r.high)
	if r.condition == nil {
		return fmt.Sprintf("%s -> %s", statuses, r.word)
	}
	return fmt.Sprintf("%s if %s -> %s", statuses, r.condition.source, r.word)
}
