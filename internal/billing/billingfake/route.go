package billingfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	invoicesPath = "/invoices/"
	followedPath = "/followed/"
)

// maxBody is far above any invoice; it keeps a mistake from filling memory.
const maxBody = 8 << 20

var errTooLarge = errors.New("the request's body is too large")

// readBody reads into a slice of the right size where the length is known:
// growing one costs more than all else that is done with the body.
func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errTooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return body, err
}

// rawPath is the path as it was sent, so that an escaped slash in an id is
// no separator.
func rawPath(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// unescape decodes a segment of rawPath.
func unescape(r *http.Request, segment string) string {
	if r.URL.RawPath == "" {
		return segment // net/http has done it
	}
	if s, err := url.PathUnescape(segment); err == nil {
		return s
	}
	return segment
}

func isLookup(r *http.Request, path string) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasSuffix(path, "/send")
}

func invoiceOf(r *http.Request, path string, body []byte) string {
	if _, rest, found := strings.Cut(path, invoicesPath); found {
		if id, _, _ := strings.Cut(rest, "/"); id != "" {
			return unescape(r, id)
		}
	}
	if r.URL.RawQuery != "" {
		query := r.URL.Query()
		for _, name := range []string{"invoice", "id"} {
			if id := query.Get(name); id != "" {
				return id
			}
		}
	}
	return invoiceInBody(body)
}

func invoiceInBody(body []byte) string {
	var fields struct{ Invoice, ID any }
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // float64 has no room for every bigint
	if err := decoder.Decode(&fields); err != nil {
		return ""
	}
	for _, field := range []any{fields.Invoice, fields.ID} {
		switch id := field.(type) {
		case string:
			if id != "" {
				return id
			}
		case json.Number:
			return id.String()
		}
	}
	return ""
}

// serveLedger answers questions to the judge.
func (a *API) serveLedger(r *http.Request, rest string) reply {
	switch {
	case r.Method == http.MethodPost && rest == "/reset":
		a.Reset()
		return marshalled(a.Summary())
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return failure(http.StatusMethodNotAllowed, "the ledger is read with GET, and forgotten with POST /ledger/reset")
	case rest == "" || rest == "/":
		return marshalled(a.Summary())
	}
	return marshalled(a.Invoice(unescape(r, rest[1:])))
}
