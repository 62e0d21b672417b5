package billingfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const defaultKeyHeader = "Idempotency-Key"

// Dialect is how an API takes idempotency keys and what it says about bad ones.
// The zero value is the IETF's draft, and takes requests without a key.
type Dialect struct {
	// Header, Field (of the JSON body) or Query is where the key stands; none of
	// them: the header Idempotency-Key.
	Header, Field, Query string
	// Required refuses a request without a key there (400).
	Required bool
	// MaxLength is the longest key that is taken; 0: any.
	MaxLength int
	// Scope is the header that names the account to which a key belongs; two
	// accounts may use one key.
	Scope string
	// Mismatch is the status for another invoice or body under an old key; 0:
	// 422. 200: nobody compares them, and the first request's reply is replayed.
	Mismatch int
	// InProgress is the status for a repeat while the first is at work; 0: 409.
	InProgress int
	// RemembersRefusals replays a refusal by its key, too. Without it the repeat
	// of a refused request is tried afresh.
	RemembersRefusals bool
	// ReplayHeader is set to true in replays; none: Idempotent-Replayed.
	ReplayHeader string
}

// key finds the request's key.
func (d Dialect) key(r *http.Request, body []byte) string {
	switch {
	case d.Field != "":
		return stringField(body, d.Field)
	case d.Query != "":
		return r.URL.Query().Get(d.Query)
	}
	return r.Header.Get(d.header())
}

// scoped is the key as the ledger knows it: with the account that it belongs to.
func (d Dialect) scoped(in *Received) string {
	if d.Scope == "" {
		return in.Key
	}
	return in.Header.Get(d.Scope) + "\x00" + in.Key
}

// check refuses a key that the API would not take: why is empty if it would.
func (d Dialect) check(key string) (why string) {
	switch {
	case key == "" && d.Required:
		return "the request has no idempotency key in " + d.Place()
	case d.MaxLength > 0 && len(key) > d.MaxLength:
		return fmt.Sprintf("the idempotency key has %d characters; %s takes at most %d", len(key), d.Place(), d.MaxLength)
	}
	return ""
}

// Place says in words where the key stands.
func (d Dialect) Place() string {
	switch {
	case d.Field != "":
		return "the body's field " + d.Field
	case d.Query != "":
		return "the query's " + d.Query
	}
	return "the header " + d.header()
}

func (d Dialect) header() string {
	if d.Header == "" {
		return defaultKeyHeader
	}
	return d.Header
}

func (d Dialect) replayHeader() string {
	if d.ReplayHeader == "" {
		return "Idempotent-Replayed"
	}
	return d.ReplayHeader
}

func (d Dialect) mismatch() reply {
	status := d.Mismatch
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	return failure(status, "this idempotency key came with another request before")
}

func (d Dialect) inProgress() reply {
	status := d.InProgress
	if status == 0 {
		status = http.StatusConflict
	}
	return failure(status, "the first request with this idempotency key is in progress")
}

// stringField reads a top-level string of a JSON object, or a value of a form.
func stringField(body []byte, name string) string {
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		form, err := url.ParseQuery(strings.TrimSpace(string(body)))
		if err != nil {
			return ""
		}
		return form.Get(name)
	}
	var fields map[string]json.RawMessage
	var text string
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields[name], &text) != nil {
		return "" // no such field, or no string: no key
	}
	return text
}
