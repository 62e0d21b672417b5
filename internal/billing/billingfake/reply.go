package billingfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

type reply struct {
	status int
	header http.Header // besides Content-Type; mostly nil
	body   []byte
}

// success is what the API says of an invoice that it has billed.
func (a *API) success(invoice string) reply {
	if a.config.Body != nil {
		return reply{status: http.StatusOK, body: a.config.Body}
	}
	return success(invoice)
}

// success is written by hand: encoding/json would be the dearest step of the
// plain path.
func success(invoice string) reply {
	b := make([]byte, 0, 64+2*len(invoice))
	if isPlain(invoice) {
		b = append(b, `{"id":"ch_`...)
		b = append(b, invoice...)
		b = append(b, `","object":"charge","invoice":"`...)
		b = append(b, invoice...)
		b = append(b, `"}`...)
	} else {
		b = fmt.Appendf(b, `{"id":%s,"object":"charge","invoice":%s}`, quoted("ch_"+invoice), quoted(invoice))
	}
	return reply{status: http.StatusOK, body: b}
}

// replay is the stored reply of a key, marked as such by a header.
func (a *API) replay(k storedKey) reply {
	var r reply
	switch {
	case k.reply != nil:
		r = *k.reply
	case k.status != http.StatusOK:
		r = failure(k.status, "this is the stored reply")
	default:
		r = a.success(k.invoice)
	}
	r.header = http.Header{}
	r.header.Set(a.config.Dialect.replayHeader(), "true")
	return r
}

// submitted is a 202: the API has taken the request, and acts later.
func submitted(invoice string) reply {
	return reply{status: http.StatusAccepted, body: fmt.Appendf(nil, `{"id":%s,"object":"charge","invoice":%s,"state":%s}`,
		quoted("ch_"+invoice), quoted(invoice), quoted(string(StateProcessing)))}
}

// coded is an error with a code, where an API has it: as error, or, where the
// status says that all is well, among errors.
func coded(status int, code, message string) reply {
	form := `{"error":{"code":%s,"message":%s}}`
	if status < http.StatusMultipleChoices {
		form = `{"errors":[{"code":%s,"message":%s}]}`
	}
	return reply{status: status, body: fmt.Appendf(nil, form, quoted(code), quoted(message))}
}

func failure(status int, message string) reply {
	return reply{status: status, body: errorBody(message)}
}

func errorBody(message string) []byte {
	return fmt.Appendf(nil, `{"error":{"message":%s}}`, quoted(message))
}

func found(invoice string, s State) reply {
	return reply{status: http.StatusOK, body: fmt.Appendf(nil, `{"id":%s,"state":%s}`, quoted(invoice), quoted(string(s)))}
}

func marshalled(v any) reply {
	b, err := json.Marshal(v)
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: http.StatusOK, body: append(b, '\n')}
}

// raw is the reply as bytes, for faults that write them on their own.
func (r reply) raw() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	_ = r.header.Write(&b) // a buffer takes everything
	if r.header.Get("Content-Type") == "" {
		b.WriteString("Content-Type: application/json\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n", len(r.body))
	b.Write(r.body)
	return b.Bytes()
}

// isPlain says that a string stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // can't be: every string has a JSON form
	}
	return b
}
