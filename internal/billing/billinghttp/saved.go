package billinghttp

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"

	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
)

// Saved is a reply that somebody has kept.
type Saved struct {
	Status int
	Header http.Header
	Body   []byte
}

var errNotSaved = errors.New("it is no reply as `curl -i` prints it: a status line such as HTTP/1.1 200 OK, the headers, an empty line, the body")

// ParseSaved reads a reply as `curl -i` prints it. Where there are several blocks of
// headers (a proxy's, 100 Continue, redirects that were followed), the last one counts.
func ParseSaved(text []byte) (Saved, error) {
	statusLine := regexp.MustCompile(`^HTTP/[0-9](?:\.[0-9])? ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n`)
	var s Saved
	for line := statusLine.FindSubmatch(text); line != nil; line = statusLine.FindSubmatch(text) {
		if s.Status != 0 && !s.precedes() {
			break // a body that looks like a reply
		}
		s.Status, _ = strconv.Atoi(string(line[1])) // three digits
		r := bufio.NewReaderSize(bytes.NewReader(text[len(line[0]):]), len(text)+16)
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil && !errors.Is(err, io.EOF) {
			return s, errNotSaved
		}
		s.Header = http.Header(header)
		if text, err = io.ReadAll(r); err != nil {
			return s, fmt.Errorf("read the body: %w", err)
		}
	}
	if s.Status == 0 {
		return s, errNotSaved
	}
	s.Body = text
	return s, s.decode()
}

// precedes says that another reply may stand behind this one: a 2xx with content is the
// API's, one without is a proxy's word that it has connected.
func (s Saved) precedes() bool {
	return !isSuccess(s.Status) || s.Header.Get("Content-Type")+s.Header.Get("Content-Length")+s.Header.Get("Transfer-Encoding") == ""
}

// decode does what net/http does for a run: it asks for gzip, and takes it off again.
func (s *Saved) decode() error {
	if s.Header.Get("Content-Encoding") != "gzip" {
		return nil
	}
	s.Header.Del("Content-Encoding")
	if !bytes.HasPrefix(s.Body, []byte{0x1f, 0x8b}) {
		return nil // curl --compressed has taken it off
	}
	z, err := gzip.NewReader(bytes.NewReader(s.Body))
	if err == nil {
		s.Body, err = io.ReadAll(io.LimitReader(z, rules.BodyMost+1))
	}
	if err != nil {
		return fmt.Errorf("decode the body, which says that it is gzip: %w", err)
	}
	return nil
}

// response is the reply as a run would get it.
func (s Saved) response() *http.Response {
	return &http.Response{StatusCode: s.Status, Header: s.Header, Body: io.NopCloser(bytes.NewReader(s.Body)), ContentLength: int64(len(s.Body))}
}

// ExplainSaved prints what a reply means to a request and to a look-up, which rule says
// so, and what follows.
func (c *Client) ExplainSaved(ctx context.Context, out io.Writer, s Saved) error {
	text := fmt.Sprintf("The reply: %s, %d bytes of body\n", c.statusText(s.response()), len(s.Body)) //nolint:bodyclose // it is in memory
	ruling, word := c.ruling(ctx, c.outcomes, s, builtInWord)
	text += "\nTo a request it means " + meant(ruling, word, c.outcomes, "BILLING_OUTCOMES")
	text += fmt.Sprintf("  with idempotency keys:    %s\n", following(word, true, c.lookup != nil))
	text += fmt.Sprintf("  without idempotency keys: %s\n", following(word, false, c.lookup != nil))
	if s.Status == http.StatusUnauthorized && word == rules.NotSent && c.credentials.fetch != nil {
		text += "  Before that the credential is renewed, once.\n"
	}
	if c.lookup != nil {
		ruling, word = c.ruling(ctx, c.findings, s, builtInFinding)
		text += "\nTo a look-up it means " + meant(ruling, word, c.findings, "BILLING_LOOKUP_OUTCOMES")
		text += fmt.Sprintf("  what is in doubt %s\n", found(word))
	}
	_, err := io.WriteString(out, text)
	return err
}

func (c *Client) ruling(ctx context.Context, set *rules.Set, s Saved, builtIn func(int) rules.Word) (rules.Ruling, rules.Word) {
	seen := rules.Reply{Status: s.Status, Header: s.Header}
	seen.Body, seen.Unread = c.readBody(ctx, s.response()) //nolint:bodyclose // it is in memory
	ruling := set.Judge(ctx, seen)
	if ruling.Word != "" {
		return ruling, ruling.Word
	}
	return ruling, builtIn(s.Status)
}

func meant(r rules.Ruling, word rules.Word, set *rules.Set, variable string) string {
	switch {
	case r.Line > 0:
		return fmt.Sprintf("%s: %s, line %d, says %s\n", word, variable, r.Line, visible(set.Source(r.Line)))
	case r.Reason != "":
		return fmt.Sprintf("%s: %s: %s\n", word, variable, r.Reason)
	case set.Empty():
		return fmt.Sprintf("%s, as is built in for its status\n", word)
	}
	return fmt.Sprintf("%s, as is built in for its status: no rule of %s is for it\n", word, variable)
}

// following says what a run does about a new invoice.
func following(word rules.Word, keys, lookup bool) string {
	switch word {
	case rules.Accepted:
		return "the invoice is sent"
	case rules.Submitted:
		return "it is asked about later, and never sent again"
	case rules.Refused:
		return "the invoice has failed, and waits for a person"
	case rules.Throttled:
		return "it is tried again later, and the whole run slows down"
	case rules.NotSent:
		return "it is tried again"
	}
	text := "the invoice is in doubt, and waits for a person"
	if lookup {
		text = "BILLING_LOOKUP_URL is asked about it; while that does not tell, it is in doubt"
	}
	if keys {
		text = "the same request is sent again, under its key, until that nears BILLING_IDEMPOTENCY_TTL; then " + text
	}
	return text
}

func found(word rules.Word) string {
	switch word {
	case rules.Acted:
		return "is sent, and not requested again"
	case rules.Submitted:
		return "is asked about again later"
	case rules.Refused:
		return "has failed"
	case rules.Absent:
		return "is requested again"
	}
	return "stays in doubt"
}
