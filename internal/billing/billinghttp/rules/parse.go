package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/billonce/billonce/internal/words"
)

// Set is the rules of one variable, in their order. Nil is a set without rules.
type Set struct {
	about    About
	rules    []rule
	warnings []string
}

// Says says whether any rule makes a reply this.
func (s *Set) Says(word Word) bool {
	return s != nil && slices.ContainsFunc(s.rules, func(r rule) bool { return r.word == word })
}

type rule struct {
	low, high int // statuses, both included
	condition *condition
	word      Word
	line      int
}

func (r rule) names(status int) bool { return r.low <= status && status <= r.high }

// Statuses that a reply can have (RFC 9110, 15).
const lowest, highest = 100, 599

// Fault is what is wrong with a rule, and where: lines and columns count from 1, columns
// in characters.
type Fault struct {
	Line, Column int
	Problem      string
}

func (f Fault) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", f.Line, f.Column, f.Problem)
}

// Parse reads rules, one a line. Its error joins all faults.
func Parse(text string, about About) (*Set, error) {
	s := &Set{about: about}
	language, err := newLanguage()
	if err != nil {
		return nil, err
	}
	var faults []error
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		if line == "" {
			continue
		}
		r, faulty := s.parseLine(language, line, i+1)
		if len(faulty) == 0 {
			s.rules = append(s.rules, r)
		}
		for _, f := range faulty {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

const form = `a rule is written 409 -> unknown, or 200 if body.status == "sent" -> accepted`

// parseLine reads one rule. The last arrow is the rule's: a string in the condition
// may hold another one.
func (s *Set) parseLine(l *language, line string, n int) (rule, []Fault) {
	r := rule{line: n}
	at := func(offset int, problem string) []Fault {
		return []Fault{{Line: n, Column: utf8.RuneCountInString(line[:offset]) + 1, Problem: problem}}
	}
	if !utf8.ValidString(line) {
		return r, at(0, "is no UTF-8")
	}
	arrow := strings.LastIndex(line, "->")
	if arrow < 0 {
		return r, at(len(line), `has no "->"; `+form)
	}
	start := len(line) - len(strings.TrimLeftFunc(line, unicode.IsSpace))
	head := strings.TrimRightFunc(line[start:arrow], unicode.IsSpace)
	statusText, rest := head, ""
	if i := strings.IndexFunc(head, unicode.IsSpace); i >= 0 {
		statusText, rest = head[:i], head[i:]
	}
	var err error
	if r.low, r.high, err = parseStatus(statusText); err != nil {
		return r, at(start, err.Error())
	}
	outcome := line[arrow+len("->"):]
	outcomeAt := len(line) - len(strings.TrimLeftFunc(outcome, unicode.IsSpace))
	r.word = Word(strings.TrimSpace(outcome))
	if r.word == "" {
		return r, at(len(line), "has no outcome behind its arrow; write one of "+list(s.about.words()))
	}
	if strings.TrimSpace(rest) != "" {
		restAt := start + len(statusText)
		ifAt := restAt + len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
		source, found := strings.CutPrefix(line[ifAt:start+len(head)], "if")
		if !found || source != "" && !unicode.IsSpace(rune(source[0])) && source[0] != '(' {
			return r, at(ifAt, `is no "if"; `+form)
		}
		if strings.TrimSpace(source) == "" {
			return r, at(start+len(head), "has no condition behind its if; "+form)
		}
		sourceAt := ifAt + len("if")
		var faulty []Fault
		if r.condition, faulty = l.compile(source, n, utf8.RuneCountInString(line[:sourceAt])); len(faulty) > 0 {
			return r, faulty
		}
	}
	for status := r.low; status <= r.high; status++ {
		if objection := s.about.objection(r.word, status, r.condition != nil); objection != "" {
			return r, at(outcomeAt, objection)
		}
	}
	if by := s.decided(r.low, r.high); by != 0 {
		return r, at(start, fmt.Sprintf("never decides anything: line %d decides this status before it; put the rule with the condition first", by))
	}
	if r.condition != nil && r.condition.negates && (r.word == Accepted || r.word == Acted) {
		s.warnings = append(s.warnings, fmt.Sprintf("line %d makes %s of what is not there (! or !=): an error page or another type would match, too; ask for what must be there", n, r.word))
	}
	return r, nil
}

// decided is the line behind which no rule for any of these statuses can match; 0: there
// is none.
func (s *Set) decided(low, high int) int {
	line := 0
	for status := low; status <= high; status++ {
		by := 0
		for _, r := range s.rules {
			if r.names(status) && r.condition == nil {
				by = r.line
				break
			}
		}
		if by == 0 {
			return 0
		}
		line = max(line, by)
	}
	return line
}

func parseStatus(text string) (low, high int, err error) {
	fault := fmt.Errorf("%q is no status; write 409, 4xx or 200-299", quoted(text))
	if len(text) == 3 && strings.EqualFold(text[1:], "xx") && text[0] >= '1' && text[0] <= '5' {
		low = int(text[0]-'0') * 100
		return low, low + 99, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	low, lowErr := strconv.Atoi(from)
	high, highErr := strconv.Atoi(to)
	switch {
	case lowErr != nil || highErr != nil || len(from) != 3 || len(to) != 3 || low < lowest || high > highest:
		return 0, 0, fault
	case low > high:
		return 0, 0, fmt.Errorf("%q begins above its end; write %s-%s", text, to, from)
	}
	return low, high, nil
}

// quoted is what a variable holds, as an error shows it.
func quoted(text string) string { return words.Cut(words.Printable(text), 40) }

// Warnings names the rules that are allowed and seldom meant.
func (s *Set) Warnings() []string {
	if s == nil {
		return nil
	}
	return s.warnings
}

// Empty says that there is no rule.
func (s *Set) Empty() bool { return s == nil || len(s.rules) == 0 }
