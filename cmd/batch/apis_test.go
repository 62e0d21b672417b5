package main

import (
	"compress/gzip"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const two = `create table invoices (id text primary key, customer text, amount numeric(12, 2), note text, pending bool default true, sent_at timestamptz, api_id text);
	insert into invoices values ('a/b ?1', 'Müller & Söhne', 12.3, null), ('2', '<x>', 7, 'ok')`

// Whole runs against a real server: what it was asked is what was meant.
func TestYourAPI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  []string
		want func(a asked) string // of the request for `a/b ?1`
		is   string
	}{
		"path and query": {
			[]string{"BILLING_URL=/v1/{id}/send?to={customer}"},
			func(a asked) string { return a.method + " " + a.uri },
			"POST /v1/a%2Fb%20%3F1/send?to=M%C3%BCller+%26+S%C3%B6hne",
		},
		"method":       {[]string{"BILLING_METHOD=PATCH", "BILLING_BODY=none"}, func(a asked) string { return a.method + a.body + a.header.Get("Content-Type") }, "PATCH"},
		"bearer":       {[]string{"BILLING_TOKEN=t0ken"}, func(a asked) string { return a.header.Get("Authorization") }, "Bearer t0ken"},
		"basic":        {[]string{"BILLING_BASIC_AUTH=me:pass:word"}, func(a asked) string { return a.header.Get("Authorization") }, "Basic bWU6cGFzczp3b3Jk"},
		"basic in URL": {[]string{"BILLING_URL=me:passw0rd@/{id}"}, func(a asked) string { return a.header.Get("Authorization") }, "Basic bWU6cGFzc3cwcmQ="},
		"headers":      {[]string{`BILLING_HEADERS=X-Tenant: eu\, north, Accept: application/json`}, func(a asked) string { return a.header.Get("X-Tenant") + "|" + a.header.Get("Accept") }, "eu, north|application/json"},
		"row": {
			nil, func(a asked) string { return a.header.Get("Content-Type") + " " + a.body },
			`application/json {"id":"a/b ?1","customer":"Müller & Söhne","amount":12.30,"note":null,"pending":true,"sent_at":null,"api_id":null}`,
		},
		"template": {
			[]string{`BILLING_BODY={"to": {{json .customer}}, "cents": {{cents .amount}}, "note": {{json .note}}}`},
			func(a asked) string { return a.body },
			`{"to": "Müller & Söhne", "cents": 1230, "note": null}`,
		},
		"form": {
			[]string{`BILLING_BODY=to={{urlquery .customer}}&cents={{cents .amount}}{{if .note}}&note={{urlquery .note}}{{end}}`, "BILLING_HEADERS=Content-Type: application/x-www-form-urlencoded"},
			func(a asked) string {
				form, err := url.ParseQuery(a.body)
				return fmt.Sprint(a.header.Get("Content-Type"), " ", form["to"], form["cents"], form["note"], err)
			}, "application/x-www-form-urlencoded [Müller & Söhne] [1230] [] <nil>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, nil)
			s := newShop(t, two, append([]string{"BILLING_URL=/{id}"}, c.env...)...)
			userinfo, path, found := strings.Cut(s.env["BILLING_URL"], "@")
			base := api.URL
			if found {
				base = strings.Replace(api.URL, "http://", "http://"+userinfo+"@", 1)
			} else {
				path = userinfo
			}
			s.set("BILLING_URL=" + base + path)
			s.set("LOG_LEVEL=trace")
			s.batch(0, "migrate")
			dry, said := s.batch(0, "run", "--dry-run")
			_, saidToo := s.batch(0, "run")
			for _, secret := range []string{"t0ken", "pass:word", "bWU6", "passw0rd", "eu, north"} {
				if strings.Contains(dry+said+saidToo, secret) {
					t.Errorf("it shows %s:\n%s%s%s", secret, dry, said, saidToo)
				}
			}
			met := false
			for _, a := range api.asked() {
				if strings.Contains(a.uri, "a%2Fb") {
					met = true
					if got := c.want(a); got != c.is {
						t.Errorf("got  %s\nwant %s", got, c.is)
					}
				}
			}
			if len(api.asked()) != 2 || !met {
				t.Errorf("%d requests", len(api.asked()))
			}
		})
	}
}

// The look-up's URL is filled as the request's is; it decides what is in doubt.
func TestYourAPIsLookUp(t *testing.T) {
	t.Parallel()
	var acted, lookedUp sync.Map // by the invoice's place in the path
	api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		path, _, _ := strings.Cut(strings.TrimPrefix(a.uri, "/look"), "?")
		switch _, has := acted.LoadOrStore(path, true); {
		case a.method == http.MethodGet && !has:
			acted.Delete(path)
			w.WriteHeader(http.StatusNotFound)
		case a.method == http.MethodGet:
			lookedUp.Store(a.uri, true)
		case a.uri != "/2":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := newShop(t, two, "BILLING_URL="+api.URL+"/{id}", "BILLING_LOOKUP_URL="+api.URL+"/look/{id}?for={customer}", "LINGER=30s", "BILLING_TIMEOUT=3s", "BILLING_LOOKUP_AFTER=1s",
		"INVOICES_MARK_SENT=pending = false, api_id = {reply.id}")
	s.batch(0, "migrate")
	s.batch(0, "run")
	if _, found := lookedUp.Load("/look/a%2Fb%20%3F1?for=M%C3%BCller+%26+S%C3%B6hne"); !found {
		t.Error("it was not looked up")
	}
	s.wants("select string_agg(pending::text, ' ') from invoices", "false false")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	for name, c := range map[string]struct {
		http2   bool
		clients *authority // whose certificates are asked for
		env     func(t *testing.T) []string
		proto   string // empty: no request comes through
		states  string // of the deliveries, one of these each
	}{
		"HTTP/1.1":         {false, nil, nil, "HTTP/1.1", "sent"},
		"HTTP/2":           {true, nil, nil, "HTTP/2.0", "sent"},
		"mutual, HTTP/1.1": {false, theirs, clientOf(theirs), "HTTP/1.1", "sent"},
		"mutual, HTTP/2":   {true, theirs, clientOf(theirs), "HTTP/2.0", "sent"},
		// Under TLS 1.3 a client learns of that behind its request.
		"without certificate":  {true, theirs, nil, "", "retry in_doubt"},
		"of another authority": {true, theirs, clientOf(ours), "", "retry in_doubt"},
		"of a server unknown": {true, nil, func(t *testing.T) []string {
			return []string{"BILLING_TLS_CA_FILE=" + file(t, theirs.pem)}
		}, "", "retry"},
		"of the system": {true, nil, func(*testing.T) []string { return []string{"BILLING_TLS_CA_FILE="} }, "", "retry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, func(w http.ResponseWriter, _ asked, _ int) { fmt.Fprint(w, `{"id": "in_1"}`) },
				func(s *httptest.Server) { s.Config.ErrorLog = log.New(io.Discard, "", 0) }, ours.serveTLS(c.http2, c.clients))
			s := newShop(t, two, "BILLING_URL="+api.URL+"/{id}", "BILLING_TLS_CA_FILE="+file(t, ours.pem), `BILLING_OUTCOMES=2xx if text.contains("in_1") -> accepted`)
			if c.env != nil {
				s.set(c.env(t)...)
			}
			s.batch(0, "migrate")
			s.batch(anyCode, "run")
			for _, state := range strings.Fields(s.ask("select string_agg(state, ' ') from billonce.deliveries")) {
				if !strings.Contains(c.states, state) {
					t.Errorf("a delivery is %s, want %s", state, c.states)
				}
			}
			if n := len(api.asked()); n != map[bool]int{true: 2, false: 0}[c.proto != ""] {
				t.Errorf("%d requests", n)
			}
			for _, a := range api.asked() {
				if a.proto != c.proto {
					t.Errorf("a request by %s, want %q", a.proto, c.proto)
				}
			}
		})
	}
}

// A certificate that has expired, or a key of another, is seen before anything.
func TestTLSCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	valid, key := ca.pair(x509.ExtKeyUsageClientAuth)
	expired, oldKey := ca.pairUntil(time.Now().Add(-time.Minute), x509.ExtKeyUsageClientAuth)
	for name, c := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"expired":       {expired, oldKey, "BILLING_TLS_CERT: has expired on 20"},
		"another one's": {valid, oldKey, "BILLING_TLS_CERT: is no pair in PEM with BILLING_TLS_KEY: private key does not match public key"},
		"the wrong way": {key, valid, "BILLING_TLS_CERT: is no pair in PEM with BILLING_TLS_KEY: failed to find certificate PEM data"},
	} {
		s := newShop(t, two, "BILLING_URL=https://localhost/{id}", "BILLING_TLS_CERT_FILE="+file(t, c.cert), "BILLING_TLS_KEY_FILE="+file(t, c.key))
		if _, said := s.batch(2, "run"); !strings.Contains(said, c.want) || strings.Contains(said, "BEGIN") {
			t.Errorf("%s: it says:\n%s", name, said)
		}
	}
}

func clientOf(a *authority) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		cert, key := a.pair(x509.ExtKeyUsageClientAuth)
		return []string{"BILLING_TLS_CERT_FILE=" + file(t, cert), "BILLING_TLS_KEY_FILE=" + file(t, key)}
	}
}

// A compressed reply is read as what it is.
func TestGzip(t *testing.T) {
	t.Parallel()
	api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		if a.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding: %s", a.header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprintf(z, `{"status": "accepted", "data": [{"id": "in_%d"}], "padding": "%s"}`, len(a.uri), strings.Repeat("x", 100_000))
		_ = z.Close()
	})
	s := newShop(t, two, "BILLING_URL="+api.URL+"/{id}", `BILLING_OUTCOMES=200 if body.status == "accepted" -> accepted`, "BILLING_REPLY_ID=data.0.id",
		"INVOICES_MARK_SENT=pending = false, api_id = {reply.data.0.id}")
	s.batch(0, "migrate")
	s.batch(0, "run")
	s.wants("select string_agg(api_id, ' ' order by api_id) from invoices", "in_13 in_2")
	s.wants("select string_agg(reply_id, ' ' order by reply_id) from billonce.deliveries", "in_13 in_2")
}
