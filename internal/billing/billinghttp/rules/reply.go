package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// BodyMost is how many bytes of a body, decoded, a condition may need.
const BodyMost = 1 << 20

// Reply is what a rule sees.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte // without its Content-Encoding
	Unread error  // why Body does not go to its end; nil: it does
}

// seen is the reply as conditions see it. A body that is no JSON is not there.
func (r Reply) seen() map[string]any {
	header := make(map[string]string, len(r.Header))
	for name, values := range r.Header {
		header[strings.ToLower(name)] = strings.Join(values, ", ") // RFC 9110, 5.3
	}
	text := toUTF8(r.Header.Get("Content-Type"), r.Body)
	all := map[string]any{"text": text, "header": header}
	if body, err := readJSON(text); err == nil {
		all["body"] = body
	}
	return all
}

// toUTF8 reads the charsets of one byte that APIs still use, where a reply names one.
// What is no UTF-8 and names none has U+FFFD where it can't be read: no condition can
// come to hold by that which asks for what must be there.
func toUTF8(contentType string, body []byte) string {
	if _, parameters, err := mime.ParseMediaType(contentType); err == nil {
		var table *charmap.Charmap
		switch strings.ToLower(parameters["charset"]) {
		case "iso-8859-1", "latin1":
			table = charmap.ISO8859_1
		case "iso-8859-15":
			table = charmap.ISO8859_15
		case "windows-1252", "cp1252":
			table = charmap.Windows1252
		}
		if table != nil {
			if decoded, err := table.NewDecoder().Bytes(body); err == nil {
				return string(decoded)
			}
		}
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // RFC 8259, 8.1
	if utf8.Valid(body) {
		return string(body)
	}
	return strings.ToValidUTF8(string(body), "\ufffd")
}

var (
	errTwice = errors.New("has a member twice")
	errDepth = errors.New("is nested too deeply")
	errMore  = errors.New("goes on behind its end")
)

const depthMost = 100

// readJSON reads one JSON value. Members that are null are left out. An object that has
// a member twice is not read: which of the two counts is anybody's guess (RFC 8259, 4).
func readJSON(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	value, err := readValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errMore
	}
	return value, nil
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	if depth > depthMost {
		return nil, errDepth
	}
	switch t := token.(type) {
	case json.Number:
		return number(t)
	case json.Delim:
		if t == '[' {
			return readArray(decoder, depth)
		}
		return readObject(decoder, depth)
	}
	return token, nil
}

func readArray(decoder *json.Decoder, depth int) (any, error) {
	all := []any{}
	for decoder.More() {
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	_, err := decoder.Token()
	return all, err
}

func readObject(decoder *json.Decoder, depth int) (any, error) {
	members := map[string]any{}
	met := map[string]struct{}{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		text, _ := name.(string) // a Decoder lets nothing else stand here
		if _, twice := met[text]; twice {
			return nil, errTwice
		}
		met[text] = struct{}{}
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		if value != nil {
			members[text] = value
		}
	}
	_, err := decoder.Token()
	return members, err
}

// number keeps whole numbers exact, as far as CEL has room for them.
func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u, nil
	}
	return n.Float64()
}
