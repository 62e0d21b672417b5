package billinghttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tlsConfig is what is particular about TLS; nil: nothing.
func tlsConfig(c Config, fault func(variable string, err error)) *tls.Config {
	if c.TLSCert == "" && c.TLSKey == "" && c.TLSCA == "" {
		return nil
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "https://") {
		fault("BILLING_URL", errors.New("is not https, and a BILLING_TLS_… variable is set: nothing would be encrypted"))
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
	case c.TLSKey == "":
		fault("BILLING_TLS_KEY", errors.New("is not set, and BILLING_TLS_CERT is; set both"))
	case c.TLSCert == "":
		fault("BILLING_TLS_CERT", errors.New("is not set, and BILLING_TLS_KEY is; set both"))
	default:
		pair, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey))
		fault("BILLING_TLS_CERT", checkPair(pair, err, time.Now()))
		t.Certificates = []tls.Certificate{pair}
	}
	if c.TLSCA != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(c.TLSCA)) {
			fault("BILLING_TLS_CA", errors.New("has no certificate in PEM (-----BEGIN CERTIFICATE-----)"))
		}
	}
	return t
}

// checkPair refuses what a server would refuse for certain. Under TLS 1.3 a client
// learns of that only behind its request (RFC 8446, 4.4.2.4), which is then in doubt:
// on the morning after a certificate's last day that would be every one.
func checkPair(pair tls.Certificate, err error, now time.Time) error {
	switch {
	case err != nil:
		// Its errors say what is wrong with which of the two, and quote neither.
		return errors.New("is no pair in PEM with BILLING_TLS_KEY: " + strings.TrimPrefix(err.Error(), "tls: "))
	case now.After(pair.Leaf.NotAfter):
		return fmt.Errorf("has expired on %s; renew it", pair.Leaf.NotAfter.Format(time.DateOnly))
	case now.Before(pair.Leaf.NotBefore):
		return fmt.Errorf("is not valid before %s", pair.Leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}
