package billinghttp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// signer signs requests as Standard Webhooks has it (version 1.0.0, "Signature
// scheme"); nil: they are not signed.
type signer struct{ key []byte }

// The scheme's own bounds on a key ("Symmetric signatures").
const shortestKey, longestKey = 24, 64

func newSigner(secret string) (*signer, error) {
	if secret == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < shortestKey || len(key) > longestKey {
		return nil, errors.New(`is no secret of Standard Webhooks: whsec_ and the base64 of 24 to 64 bytes; make one with: echo "whsec_$(openssl rand -base64 32)"`)
	}
	return &signer{key}, nil
}

// sign adds the three headers. The id is the idempotency key: a repeat is the same
// message to whoever received it before. The time is the attempt's.
func (s *signer) sign(h http.Header, m billing.Request, now time.Time) {
	if s == nil {
		return
	}
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(m.IdempotencyKey + "." + at + "."))
	mac.Write(m.Body)
	h["Webhook-Id"] = []string{m.IdempotencyKey}
	h["Webhook-Timestamp"] = []string{at}
	h["Webhook-Signature"] = []string{"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}
