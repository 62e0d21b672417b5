package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/billonce/billonce/internal/doctor"
)

// The doctor trusts whom a run trusts, and shows what a run shows.
func TestDoctorSpeaksTLSAsARunDoes(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, key := theirs.pair(x509.ExtKeyUsageClientAuth)
	for name, c := range map[string]struct {
		clients *authority // whose certificates are asked for
		env     []string
		want    doctor.Verdict
	}{
		"a private authority": {nil, []string{"BILLING_TLS_CA=" + string(ours.pem)}, doctor.OK},
		"another's":           {nil, []string{"BILLING_TLS_CA=" + string(theirs.pem)}, doctor.Refused},
		"that of the system":  {nil, nil, doctor.Refused},
		"mutual": {theirs, []string{
			"BILLING_TLS_CA=" + string(ours.pem), "BILLING_TLS_CERT=" + string(cert), "BILLING_TLS_KEY=" + string(key),
		}, doctor.OK},
		"mutual, without one": {theirs, []string{"BILLING_TLS_CA=" + string(ours.pem)}, doctor.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := httptest.NewUnstartedServer(http.NotFoundHandler())
			t.Cleanup(api.Close)
			api.Config.ErrorLog = log.New(io.Discard, "", 0)
			ours.serveTLS(false, c.clients)(api)
			// Under TLS 1.3 a server refuses a client's certificate behind the handshake
			// (RFC 8446, 4.4.2.4): a doctor who asks nothing does not learn of it.
			api.TLS.MaxVersion = tls.VersionTLS12
			if f := doctorOfAPI(t, append(c.env, "BILLING_URL="+api.URL+"/{id}")); f.Verdict != c.want {
				t.Errorf("%+v, want %s", f, c.want)
			}
		})
	}
}

// doctorOfAPI needs no database: the API is examined all the same.
func doctorOfAPI(t *testing.T, env []string) doctor.Finding {
	t.Helper()
	var out, faults bytes.Buffer
	run(t.Context(), []string{"doctor", "--json"}, append(env, "DATABASE_URL=postgres://127.0.0.1:1/none"), &out, &faults)
	var report doctor.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v:\n%s%s", err, &out, &faults)
	}
	for _, f := range report {
		if f.Check == "billing API" {
			return f
		}
	}
	t.Fatalf("the API was not examined: %+v", report)
	return doctor.Finding{}
}
