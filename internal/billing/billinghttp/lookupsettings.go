package billinghttp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
)

// LookUpSettings is a fingerprint of the settings that a look-up is made by and judged
// by, without secrets; empty where there is no look-up.
func (c *Client) LookUpSettings() string {
	if c.lookup == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "billonce look-up settings 1\n%q\n%q\n", newRedactor(c.common, c.config, c.url, c.lookup).redact(c.lookup.String()), c.findings.String())
	for _, h := range c.made {
		fmt.Fprintf(&b, "%q", h.Name)
		for _, name := range h.Value.Names() {
			fmt.Fprintf(&b, " %q", name)
		}
		b.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// LooksUpByReply says that the look-up asks about the id that the API gives in its reply.
func (c *Client) LooksUpByReply() bool { return c.lookup != nil && c.lookup.Has(templates.ReplyIDName) }
