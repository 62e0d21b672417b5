package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Word is what a rule makes of a reply.
type Word string

// What a reply to a request can mean, and a reply to a look-up.
const (
	Accepted  Word = "accepted"
	Submitted Word = "submitted"
	Refused   Word = "refused"
	Throttled Word = "throttled"
	NotSent   Word = "not_sent"
	Unknown   Word = "unknown"

	Acted  Word = "acted"
	Absent Word = "absent"
)

// About is what the replies answer that a set of rules is for.
type About int

// Requests and look-ups have words of their own.
const (
	Requests About = iota
	RequestsWithKeys
	LookUps
)

func (a About) words() []Word {
	if a == LookUps {
		return []Word{Acted, Submitted, Refused, Absent, Unknown}
	}
	return []Word{Accepted, Submitted, Refused, Throttled, NotSent, Unknown}
}

// objection says why a rule may not make this word of this status; empty: it may.
// A word that lets an invoice go out again, or ends it, must not be had of a status
// that servers and proxies send for reasons of their own.
func (a About) objection(word Word, status int, conditional bool) string {
	class := status / 100
	switch {
	case !slices.Contains(a.words(), word):
		return fmt.Sprintf("%q is none of %s", quoted(string(word)), list(a.words()))
	case word == Refused && a != LookUps && class != 4 && (class != 2 || !conditional):
		return fmt.Sprintf("refused can't be said of %d: of 4xx it can, and of 2xx with a condition; write unknown", status)
	case word == Absent && status != 404 && status != 410 && (class != 4 && class != 2 || !conditional):
		return fmt.Sprintf("absent can't be said of %d: of 404 and 410 it can, and of other 4xx and of 2xx with a condition; write unknown", status)
	case (word == Throttled || word == NotSent) && class == 5 && a != RequestsWithKeys:
		return fmt.Sprintf("%s can't be said of %d where the API has no idempotency keys (BILLING_IDEMPOTENT): it may have acted; write unknown", word, status)
	case (word == Throttled || word == NotSent) && class != 3 && class != 4 && class != 5:
		return fmt.Sprintf("%s can't be said of %d: of 3xx and 4xx it can, and of 5xx where the API has idempotency keys; write unknown", word, status)
	}
	return ""
}

func list(words []Word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
