package billinghttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"billonce/internal/billing"
)

// answerMax bounds what is kept of a reply for one invoice: ids and links.
const answerMax = 8 << 10

// answers are the places in an accepted reply's JSON of which something is kept.
type answers struct {
	id     []string // nil: it is not kept
	values [][]string
}

func newAnswers(pointer string, paths []string) (answers, error) {
	var a answers
	for _, path := range paths {
		a.values = append(a.values, strings.Split(path, "."))
	}
	if pointer == "" {
		return a, nil
	}
	var err error
	a.id, err = parsePointer(pointer)
	return a, err
}

// parsePointer reads a JSON pointer (RFC 6901, 3 and 4).
func parsePointer(text string) ([]string, error) {
	fault := errors.New("is not a JSON pointer; write /id, or /data/id for what lies deeper")
	if text[0] != '/' {
		return nil, fault
	}
	steps := strings.Split(text[1:], "/")
	for i, step := range steps {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(step), "~") {
			return nil, fault
		}
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return steps, nil
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
		if text, err = toJSON(value); err != nil || value == nil {
			return nil
		}
	}
	if len(text) > answerMax {
		return nil
	}
	return &text
}
