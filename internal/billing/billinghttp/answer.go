package billinghttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
	"github.com/billonce/billonce/internal/words"
)

// answerMax bounds what is kept of a reply for one invoice: ids and links.
const answerMax = 8 << 10

// answers are the places in an accepted reply's JSON of which something is kept.
type answers struct {
	id     []string // nil: it is not kept
	values [][]string
}

func newAnswers(id string, paths []string) (answers, error) {
	var a answers
	for _, path := range paths {
		a.values = append(a.values, strings.Split(path, "."))
	}
	if id == "" {
		return a, nil
	}
	if rest, isPointer := strings.CutPrefix(id, "/"); isPointer {
		dotted := strings.NewReplacer("/", ".", "~1", "/", "~0", "~").Replace(rest)
		return a, fmt.Errorf("is a JSON pointer, which it no longer is; write it as in {reply.…}, with dots: %s", words.Printable(dotted))
	}
	a.id = strings.Split(id, ".")
	if slices.Contains(a.id, "") || strings.ContainsAny(id, "{}") {
		return a, errors.New("is no path into a reply; write id, or data.0.id for what lies deeper")
	}
	return a, nil
}

func (a answers) wanted() bool { return a.id != nil || a.values != nil }

// read takes what is kept from a body. The API has accepted: whatever can't be read
// is not there, and no more.
func (a answers) read(body []byte) *billing.Answer {
	answer := &billing.Answer{Values: make([]*string, len(a.values))}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // float64 has no room for every id
	var reply any
	if decoder.Decode(&reply) != nil {
		return answer
	}
	if a.id != nil {
		if id := textAt(reply, a.id); id != nil {
			answer.ID = *id
		}
	}
	for i, path := range a.values {
		answer.Values[i] = textAt(reply, path)
	}
	return answer
}

// textAt is what stands at a path: text as it is, all else as JSON; nil: nothing.
func textAt(value any, path []string) *string {
	for _, step := range path {
		switch within := value.(type) {
		case map[string]any:
			value = within[step]
		case []any:
			i, err := strconv.ParseUint(step, 10, 31)
			if err != nil || i >= uint64(len(within)) {
				return nil
			}
			value = within[i]
		default:
			return nil
		}
	}
	text, isText := value.(string)
	if !isText {
		var err error
		if text, err = templates.JSON(value); err != nil || value == nil {
			return nil
		}
	}
	if len(text) > answerMax {
		return nil
	}
	return &text
}
